/* What is saved, copied into the queue: see state.h. */
#include "base/err.h"
#include "crypto/hash.h"
#include "store/state/state_internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int64_t state_torrent_new_id(struct state *s)
{
    return s->next_id++;
}

static bool text_fits(const char *text)
{
    return text == NULL || strlen(text) <= STATE_TEXT_MAX;
}

static size_t text_room(const char *text)
{
    return (text != NULL ? strlen(text) : 0) + 1;
}

int state_save_torrent(struct state *s, const struct state_torrent *t, state_done *done, void *user)
{
    if (t->id <= 0)
        return ERR_INVALID;
    if (!text_fits(t->name) || !text_fits(t->magnet) || !text_fits(t->folder) ||
        !text_fits(t->root) || t->priorities.size > STATE_BLOB_MAX)
        return ERR_LIMIT;
    struct op *op = op_new(op_key_of_id(OP_TORRENT, 0, t->id),
        text_room(t->name) + text_room(t->magnet) + text_room(t->folder) + text_room(t->root) +
            t->priorities.size,
        done, user);
    if (op == NULL)
        return ERR_NOMEM;
    uint8_t *at = op->memory;
    op->torrent = t->id;
    op->record = *t;
    op->record.name = op_copy_text(&at, t->name);
    op->record.magnet = op_copy_text(&at, t->magnet);
    op->record.folder = op_copy_text(&at, t->folder);
    op->record.root = op_copy_text(&at, t->root);
    op->record.priorities = op_copy_bytes(&at, t->priorities);
    return state_enqueue(s, op);
}

int state_save_blob(struct state *s, int64_t torrent, enum state_blob blob, struct bytes body,
    state_done *done, void *user)
{
    if (torrent <= 0 || blob >= STATE_BLOB_COUNT)
        return ERR_INVALID;
    if (body.size > STATE_BLOB_MAX)
        return ERR_LIMIT;
    struct op *op = op_new(op_key_of_id(OP_BLOB, blob, torrent), body.size, done, user);
    if (op == NULL)
        return ERR_NOMEM;
    uint8_t *at = op->memory;
    op->torrent = torrent;
    op->body = op_copy_bytes(&at, body);
    return state_enqueue(s, op);
}

int state_save_peers(struct state *s, int64_t torrent, const struct state_peer *peers, size_t count,
    state_done *done, void *user)
{
    if (torrent <= 0)
        return ERR_INVALID;
    if (count > STATE_PEERS_MAX)
        count = STATE_PEERS_MAX;
    struct op *op =
        op_new(op_key_of_id(OP_PEERS, 0, torrent), count * STATE_PEER_RECORD_SIZE, done, user);
    if (op == NULL)
        return ERR_NOMEM;
    struct builder b = builder_fixed(op->memory, count * STATE_PEER_RECORD_SIZE);
    for (size_t i = 0; i < count; i++) {
        builder_u8(&b, peers[i].endpoint.family);
        builder_bytes_put(&b, peers[i].endpoint.ip, sizeof peers[i].endpoint.ip);
        builder_u16(&b, peers[i].endpoint.port);
        builder_u8(&b, (uint8_t)peers[i].source);
        builder_u64(&b, (uint64_t)peers[i].seen_unix);
    }
    assert(builder_ok(&b));
    op->torrent = torrent;
    op->body = builder_bytes(&b);
    return state_enqueue(s, op);
}

int state_remove_torrent(struct state *s, int64_t torrent, state_done *done, void *user)
{
    if (torrent <= 0)
        return ERR_INVALID;
    struct op *op = op_new(op_key_of_id(OP_REMOVE, 0, torrent), 0, done, user);
    if (op == NULL)
        return ERR_NOMEM;
    op->torrent = torrent;
    return state_enqueue(s, op);
}

int state_save_setting(
    struct state *s, const char *key, struct bytes value, state_done *done, void *user)
{
    if (!text_fits(key) || value.size > STATE_BLOB_MAX)
        return ERR_LIMIT;
    struct sha256_digest name = sha256(key, strlen(key));
    struct op *op =
        op_new(op_key_of_digest(OP_SETTING, &name), text_room(key) + value.size, done, user);
    if (op == NULL)
        return ERR_NOMEM;
    uint8_t *at = op->memory;
    op->text = op_copy_text(&at, key);
    op->body = op_copy_bytes(&at, value);
    return state_enqueue(s, op);
}

int state_save_share(struct state *s, const struct sha256_digest *key, const char *path,
    struct bytes torrent, state_done *done, void *user)
{
    if (!text_fits(path) || torrent.size > STATE_BLOB_MAX)
        return ERR_LIMIT;
    struct op *op =
        op_new(op_key_of_digest(OP_SHARE, key), text_room(path) + torrent.size, done, user);
    if (op == NULL)
        return ERR_NOMEM;
    uint8_t *at = op->memory;
    op->share = *key;
    op->text = op_copy_text(&at, path);
    op->body = op_copy_bytes(&at, torrent);
    return state_enqueue(s, op);
}
