/* See kept.h. */
#include "cli/kept.h"

#include "base/err.h"
#include "base/text.h"
#include "cli/dht_show.h"
#include "cli/exit_codes.h"
#include <stdlib.h>
#include <string.h>

static bool find_item(struct session *s, size_t index, struct kith_dht_item *i)
{
    KITH_INIT(*i);
    return kith_dht_item(s->node, index, i) == 0;
}

int kept_list(struct session *s)
{
    struct kith_dht_item i;
    for (size_t at = 0; find_item(s, at, &i); at++)
        dht_show_kept(s, &i);
    return EXIT_SUCCESS;
}

static int keep_one(struct session *s, const char *what, const char *salt)
{
    uint8_t bytes[32];
    struct kith_dht_keep k;
    KITH_INIT(k);
    if (hex_decode(bytes_of_str(what), bytes, 32) == 0) {
        k.public_key = bytes;
        k.salt = salt;
        k.salt_size = salt ? strlen(salt) : 0;
    } else if (hex_decode(bytes_of_str(what), bytes, 20) == 0 && !salt) {
        k.target = bytes;
    } else {
        term_error(&s->term, "keep wants a key of 64 digits, perhaps with --salt, or a hash of 40");
        return EXIT_USAGE;
    }
    int err = kith_dht_keep(s->node, &k);
    if (err)
        term_error(&s->term, "%s", kith_last_error(s->node));
    return exit_code_of(err);
}

/* Says what has become of each round. */
static void watch(struct session *s)
{
    int64_t seen[256] = {0}; /* when each was put, as last said */
    while (!session_interrupted()) {
        struct kith_dht_item i;
        session_wait(s, 500);
        while (kith_next_event(s->node))
            ;
        for (size_t at = 0; at < 256 && find_item(s, at, &i); at++) {
            int64_t put_at = session_now_ms() / 1000 - i.put_seconds_ago;
            if (i.put_seconds_ago < 0 || (put_at - seen[at] < 5 && put_at - seen[at] > -5))
                continue;
            seen[at] = put_at;
            dht_show_kept(s, &i);
        }
    }
}

int kept_watch(struct session *s, const char *what, const char *salt)
{
    struct kith_dht_item first;
    int code = what ? keep_one(s, what, salt) : EXIT_SUCCESS;
    if (code != EXIT_SUCCESS)
        return code;
    if (!find_item(s, 0, &first)) {
        term_error(&s->term, "no item is kept (kith dht put --keep, kith dht keep KEY)");
        return EXIT_USAGE;
    }
    watch(s);
    return EXIT_SUCCESS;
}

int kept_forget(struct session *s, const char *what)
{
    uint8_t target[20];
    if (hex_decode(bytes_of_str(what), target, sizeof target) != 0) {
        term_error(&s->term, "forget wants a target of 40 digits, as 'kith dht kept' lists them");
        return EXIT_USAGE;
    }
    int err = kith_dht_forget(s->node, target);
    if (err)
        term_error(&s->term, "%s", kith_last_error(s->node));
    return exit_code_of(err);
}
