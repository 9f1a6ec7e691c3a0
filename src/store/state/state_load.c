/* What was saved, read back: see state.h. */
#include "base/err.h"
#include "store/state/state_internal.h"
#include "store/state/state_rows.h"
#include <stdlib.h>

int state_each_torrent(struct state *s,
    bool (*each)(void *user, const struct state_torrent *, bool damaged), void *user)
{
    pthread_mutex_lock(&s->lock);
    int err = state_rows_each_torrent(s->db.reader, false, each, user);
    pthread_mutex_unlock(&s->lock);
    return err;
}

int state_load_blob(
    struct state *s, int64_t torrent, enum state_blob blob, uint8_t **out, size_t *size)
{
    pthread_mutex_lock(&s->lock);
    int err = state_rows_get_blob(&s->db, torrent, blob, out, size);
    pthread_mutex_unlock(&s->lock);
    return err;
}

int state_load_peers(struct state *s, int64_t torrent, struct state_peer *out, size_t max)
{
    uint8_t *raw;
    size_t size;
    pthread_mutex_lock(&s->lock);
    int err = state_rows_get_blob(&s->db, torrent, STATE_PEERS_KIND, &raw, &size);
    pthread_mutex_unlock(&s->lock);
    if (err < 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    struct cursor c = cursor_of(bytes_of(raw, size));
    size_t count = 0;
    while (count < max && c.left >= STATE_PEER_RECORD_SIZE) {
        struct state_peer p = {0};
        p.endpoint.family = cursor_u8(&c);
        cursor_copy(&c, p.endpoint.ip, sizeof p.endpoint.ip);
        p.endpoint.port = cursor_u16(&c);
        uint8_t source = cursor_u8(&c);
        p.source = source < ADDR_FROM_STRANGER ? (enum addr_source)source : ADDR_FROM_STRANGER;
        p.seen_unix = (int64_t)cursor_u64(&c);
        out[count++] = p;
    }
    free(raw);
    return (int)count;
}

int state_load_setting(struct state *s, const char *key, uint8_t **out, size_t *size)
{
    pthread_mutex_lock(&s->lock);
    int err = state_rows_get_setting(&s->db, key, out, size);
    pthread_mutex_unlock(&s->lock);
    return err;
}

int state_each_setting(struct state *s, const char *prefix,
    bool (*each)(void *user, const char *key, struct bytes value, bool damaged), void *user)
{
    pthread_mutex_lock(&s->lock);
    int err = state_rows_each_setting(s->db.reader, prefix, each, user);
    pthread_mutex_unlock(&s->lock);
    return err;
}

int state_load_share(struct state *s, const struct sha256_digest *key, uint8_t **out, size_t *size)
{
    pthread_mutex_lock(&s->lock);
    int err = state_rows_get_share(&s->db, key, out, size);
    pthread_mutex_unlock(&s->lock);
    return err;
}

void state_release_memory(struct state *s)
{
    pthread_mutex_lock(&s->lock);
    sqlite3_db_release_memory(s->db.reader);
    pthread_mutex_unlock(&s->lock);
}
