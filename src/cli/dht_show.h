/* What kith dht prints: in words, or with --json an object a line. */
#ifndef KITH_CLI_DHT_SHOW_H
#define KITH_CLI_DHT_SHOW_H

#include "cli/session.h"

/* The kinds of line, for the help. */
extern const struct json_doc dht_show_json[];

/* A value as it lies in the DHT (bencoded); `raw`: shown so. */
void dht_show_value(struct session *, struct bytes value, int64_t seq, bool raw);
/* What was put; `key` is its public key, 32 bytes, or NULL for an immutable item. */
void dht_show_put(struct session *, const struct kith_dht_result *, const uint8_t *key);
void dht_show_peer(struct session *, const char *address);
void dht_show_status(struct session *, const struct kith_dht_status *);
/* An item that is kept. */
void dht_show_kept(struct session *, const struct kith_dht_item *);

#endif
