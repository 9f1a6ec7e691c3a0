/* A stranger's first bytes, in cuts of its choice: MSE or plaintext, nothing of it may reach beyond
 * the greeting's buffers. */
#include "swarm/peer/greeting.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool find(void *user, const struct handshake *theirs, struct greeting_answer *out)
{
    *out = (struct greeting_answer){.info_hash = theirs->info_hash, .torrent = user};
    return true;
}

static bool find_name(
    void *user, const struct sha1_digest *name, struct info_hash *skey, void **torrent)
{
    (void)name;
    memset(skey, 0x11, sizeof *skey);
    *torrent = user;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct greeting *g = malloc(sizeof *g);
    struct greeting_config config = {.incoming = data[0] & 1,
        .encryption = data[0] / 2 % 3,
        .find = find,
        .find_name = find_name,
        .user = g};
    size_t cut = data[1] + 1u;
    memset(&config.random, data[0], sizeof config.random);
    if (greeting_init(g, &config) == 0) {
        data += 2;
        size -= 2;
        while (size > 0) {
            size_t room;
            uint8_t *at = greeting_room(g, &room);
            size_t n = size < cut ? size : cut;
            n = n < room ? n : room;
            if (n == 0)
                break;
            memcpy(at, data, n);
            data += n;
            size -= n;
            if (greeting_input(g, n) != 0)
                break;
            if (greeting_output(g).size > GREETING_OUT_MAX)
                abort();
            if (greeting_done(g))
                break;
        }
    }
    free(g);
    return 0;
}
