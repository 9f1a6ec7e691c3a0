/* Block lists, plain or gzip, whole and in portions: both ways come to the same result. */
#include "format/ip_list.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static int read_list(struct bytes text, size_t step, struct ip_ranges **out)
{
    struct ip_list *l = ip_list_new();
    struct ip_list_counts counts;
    int err = 0;
    *out = NULL;
    for (size_t at = 0; at < text.size && !err; at += step)
        err = ip_list_feed(
            l, bytes_of(text.data + at, step < text.size - at ? step : text.size - at));
    if (!err)
        err = ip_list_finish(l, out, &counts);
    check(err || ip_ranges_count(*out) <= counts.ranges);
    ip_list_free(l);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct ip_ranges *whole, *slow;
    struct bytes text = bytes_of(data + 1, size - 1);
    int err = read_list(text, SIZE_MAX / 2, &whole);
    /* zlib may notice damage sooner or later in its input: only success must agree. */
    if (read_list(text, (size_t)data[0] + 1, &slow) == 0) {
        check(err == 0 && ip_ranges_count(whole) == ip_ranges_count(slow));
        for (uint64_t i = 0; i < 64; i++) {
            struct endpoint e = endpoint_v4((uint32_t)(i * 0x04030201), 0);
            check(ip_ranges_contain(whole, &e) == ip_ranges_contain(slow, &e));
        }
    }
    ip_ranges_drop(whole);
    ip_ranges_drop(slow);
    return 0;
}
