/* What a keeper reads back from disk: whatever is taken is what its key says, and is written as it
 * was read. */
#include "dht/keeper.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t text[KEEPER_RECORD_MAX];
    struct keeper_config config = {.seed = {1}};
    struct keeper *k = keeper_new(&config);
    check(k != NULL);
    if (keeper_read(k, bytes_of(data, size), 0) == 0) {
        const struct kept_item *i = keeper_at(k, 0);
        check(i && keeper_count(k) == 1);
        struct node_id lies = dht_item_target(&i->item);
        check(!i->has_value || (dht_item_is_genuine(&i->item) && node_id_equal(&lies, &i->target)));
        struct builder b = builder_fixed(text, sizeof text);
        keeper_write(i, &b);
        check(builder_ok(&b));
        struct node_id target = i->target;
        check(keeper_forget(k, &target) == 0);
        check(keeper_read(k, builder_bytes(&b), 0) == 0);
    }
    keeper_free(k);
    return 0;
}
