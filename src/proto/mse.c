/* See mse.h. Both roles walk the states in the order of the enum; an initiator passes over MSE_NAME
 * and MSE_IA. */
#include "proto/mse.h"

#include "base/err.h"
#include "crypto/hash.h"

#define RC4_DROP 1024u
#define VC_SIZE 8u
#define HASH_SIZE 20u

static const uint8_t vc[VC_SIZE];

/* H(label, a, b), `a` of any length up to that of S. */
static struct sha1_digest hash(const char label[4], struct bytes a, const struct info_hash *b)
{
    uint8_t text[4 + DH768_SIZE + sizeof b->b];
    struct builder t = builder_fixed(text, sizeof text);
    builder_bytes_put(&t, label, 4);
    builder_span(&t, a);
    if (b)
        builder_bytes_put(&t, b->b, sizeof b->b);
    return sha1(t.data, t.size);
}

static struct bytes secret(const struct mse *m)
{
    return bytes_of(m->secret, sizeof m->secret);
}

struct sha1_digest mse_name(const struct info_hash *skey)
{
    return hash("req2", bytes_of(skey->b, sizeof skey->b), NULL);
}

/* H(req2, SKEY) xor H(req3, S): its own inverse. */
static struct sha1_digest mask_name(const struct mse *m, const uint8_t name[HASH_SIZE])
{
    struct sha1_digest d = hash("req3", secret(m), NULL);
    for (size_t i = 0; i < sizeof d.b; i++)
        d.b[i] ^= name[i];
    return d;
}

static void make_keys(struct mse *m, const struct info_hash *skey)
{
    struct sha1_digest a = hash("keyA", secret(m), skey), b = hash("keyB", secret(m), skey);
    rc4_init(&m->encrypt, m->config.initiator ? a.b : b.b, HASH_SIZE);
    rc4_init(&m->decrypt, m->config.initiator ? b.b : a.b, HASH_SIZE);
    rc4_skip(&m->encrypt, RC4_DROP);
    rc4_skip(&m->decrypt, RC4_DROP);
}

/* ---- what we send -------------------------------------------------------------------------- */

static size_t pad_size(const struct mse *m, int which)
{
    return load_u16(m->config.random->pad_size[which]) % (MSE_PAD_MAX + 1);
}

static int put_public(struct mse *m, struct builder *out)
{
    uint8_t ours[DH768_SIZE];
    int err = dh768_public(m->config.random->private_key, ours);
    if (err)
        return err;
    builder_bytes_put(out, ours, sizeof ours);
    builder_bytes_put(out, m->config.random->pad[0], pad_size(m, 0));
    return builder_ok(out) ? 0 : ERR_NOMEM;
}

/* RC4{VC, methods, PadC or PadD; an initiator's IA}. */
static int put_head(struct mse *m, uint32_t methods, struct builder *out)
{
    size_t start = out->size, pad = pad_size(m, 1);
    builder_bytes_put(out, vc, sizeof vc);
    builder_u32(out, methods);
    builder_u16(out, (uint16_t)pad);
    builder_bytes_put(out, m->config.random->pad[1], pad);
    if (m->config.initiator) {
        builder_u16(out, (uint16_t)m->config.ia.size);
        builder_span(out, m->config.ia);
    }
    if (!builder_ok(out))
        return ERR_NOMEM;
    rc4_apply(&m->encrypt, out->data + start, out->data + start, out->size - start);
    return 0;
}

static int put_request(struct mse *m, struct builder *out)
{
    struct sha1_digest name = mse_name(&m->config.skey);
    struct sha1_digest sync = hash("req1", secret(m), NULL), masked = mask_name(m, name.b);
    builder_bytes_put(out, sync.b, sizeof sync.b);
    builder_bytes_put(out, masked.b, sizeof masked.b);
    return put_head(m, m->config.methods, out);
}

/* ---- what we read -------------------------------------------------------------------------- */

/* The next `size` bytes, deciphered; NULL: not all here. */
static const uint8_t *take(struct mse *m, uint8_t *in, size_t size, size_t want)
{
    if (size - m->at < want)
        return NULL;
    uint8_t *at = in + m->at;
    m->at += want;
    rc4_apply(&m->decrypt, at, at, want);
    return at;
}

static int read_key(struct mse *m, const uint8_t *in, struct builder *out)
{
    int err = dh768_shared(m->config.random->private_key, in, m->secret);
    if (err)
        return err;
    m->at = DH768_SIZE;
    m->state = MSE_SYNC;
    if (!m->config.initiator) {
        struct sha1_digest sync = hash("req1", secret(m), NULL);
        memcpy(m->sync, sync.b, sizeof sync.b);
        m->sync_size = sizeof sync.b;
        return put_public(m, out);
    }
    make_keys(m, &m->config.skey);
    rc4_apply(&m->decrypt, vc, m->sync, sizeof vc);
    m->sync_size = sizeof vc;
    return put_request(m, out);
}

/* The pad before the mark has no length: the mark is looked for in 512 bytes and its own. 1: found,
 * 0: more is needed. */
static int find_sync(struct mse *m, const uint8_t *in, size_t size)
{
    for (; m->at + m->sync_size <= size; m->at++) {
        if (m->at > DH768_SIZE + MSE_PAD_MAX)
            return ERR_PROTOCOL;
        if (memcmp(in + m->at, m->sync, m->sync_size) == 0) {
            m->at += m->sync_size;
            m->state = m->config.initiator ? MSE_HEAD : MSE_NAME;
            return 1;
        }
    }
    return m->at > DH768_SIZE + MSE_PAD_MAX ? ERR_PROTOCOL : 0;
}

static int read_name(struct mse *m, const uint8_t *in)
{
    struct sha1_digest name = mask_name(m, in + m->at);
    struct info_hash skey;
    m->at += HASH_SIZE;
    if (!m->config.find(m->config.user, &name, &skey))
        return ERR_NOT_FOUND;
    make_keys(m, &skey);
    m->state = MSE_HEAD;
    return 0;
}

/* An initiator has met VC as its sync mark; what follows is the same for both. */
static int read_head(struct mse *m, const uint8_t *head)
{
    if (!m->config.initiator) {
        if (memcmp(head, vc, sizeof vc) != 0)
            return ERR_PROTOCOL;
        head += sizeof vc;
    }
    uint32_t methods = load_u32(head);
    m->pad_size = load_u16(head + 4);
    if (m->pad_size > MSE_PAD_MAX)
        return ERR_PROTOCOL;
    m->state = MSE_PAD;
    if (!m->config.initiator) {
        m->provided = methods;
        return 0;
    }
    m->selected = methods;
    bool one = methods == MSE_PLAIN || methods == MSE_RC4;
    return one && (methods & m->config.methods) ? 0 : ERR_PROTOCOL;
}

/* A responder answers here, before IA has come: the initiator may wait with it. */
static int read_pad(struct mse *m, const uint8_t *pad, struct builder *out)
{
    if (m->config.initiator) {
        m->state = MSE_DONE;
        return 0;
    }
    m->ia_size = load_u16(pad + m->pad_size);
    if (m->ia_size > MSE_IA_MAX)
        return ERR_LIMIT;
    uint32_t common = m->provided & m->config.methods;
    m->selected = common & MSE_RC4 ? MSE_RC4 : common & MSE_PLAIN;
    if (!m->selected)
        return ERR_UNSUPPORTED;
    m->state = MSE_IA;
    return put_head(m, m->selected, out);
}

/* One state further: 1, 0 (more bytes are needed), or an error. */
static int step(struct mse *m, uint8_t *in, size_t size, struct builder *out)
{
    const uint8_t *at;
    size_t tail = m->config.initiator ? 0 : 2; /* the length of IA */
    int err = 0;
    switch (m->state) {
    case MSE_KEY:
        if (size < DH768_SIZE)
            return 0;
        err = read_key(m, in, out);
        break;
    case MSE_SYNC:
        return find_sync(m, in, size);
    case MSE_NAME:
        if (size - m->at < HASH_SIZE)
            return 0;
        err = read_name(m, in);
        break;
    case MSE_HEAD:
        at = take(m, in, size, m->config.initiator ? 6 : VC_SIZE + 6);
        if (!at)
            return 0;
        err = read_head(m, at);
        break;
    case MSE_PAD:
        at = take(m, in, size, m->pad_size + tail);
        if (!at)
            return 0;
        err = read_pad(m, at, out);
        break;
    case MSE_IA: /* always RC4, whatever was selected for the rest */
        if (!take(m, in, size, m->ia_size))
            return 0;
        m->state = MSE_DONE;
        break;
    case MSE_DONE:
        return 0;
    }
    return err ? err : 1;
}

/* ---- the outside --------------------------------------------------------------------------- */

int mse_init(struct mse *m, const struct mse_config *config, struct builder *out)
{
    memset(m, 0, sizeof *m);
    m->config = *config;
    return config->initiator ? put_public(m, out) : 0;
}

int mse_input(struct mse *m, uint8_t *in, size_t size, struct builder *out)
{
    if (mse_done(m))
        return 0;
    int more = 1;
    while (more == 1)
        more = step(m, in, size, out);
    if (more < 0 || !mse_done(m))
        return more;
    mse_decrypt(m, in + m->at, size - m->at);
    m->at -= m->ia_size;
    return 0;
}

void mse_encrypt(struct mse *m, uint8_t *data, size_t size)
{
    if (m->selected == MSE_RC4)
        rc4_apply(&m->encrypt, data, data, size);
}

void mse_decrypt(struct mse *m, uint8_t *data, size_t size)
{
    if (m->selected == MSE_RC4)
        rc4_apply(&m->decrypt, data, data, size);
}
