/* What strangers can make us send: budgets of packets and bytes by address, by /24 or /64, and in
 * all. A question whose sender's address is forged costs a victim no more than this allows.
 *
 * Budgets fill up with time and are kept only while they are not full, in a small table that grows
 * when there is a need. Addresses of the local network share only the budget of all. */
#ifndef KITH_DHT_LIMITER_H
#define KITH_DHT_LIMITER_H

#include "base/addr.h"
#include "base/time.h"

#define LIMITER_ENTRIES_MIN 64u
#define LIMITER_ENTRIES_MAX 8192u
#define LIMITER_ADDRESS_PACKETS 5u /* a second that are looked at; bursts of ten seconds' worth */
#define LIMITER_PREFIX_PACKETS 25u
#define LIMITER_ADDRESS_BYTES 2048u /* a second that are sent in answer; bursts likewise */
#define LIMITER_PREFIX_BYTES 8192u
#define LIMITER_TOTAL_PACKETS 1000u
#define LIMITER_TOTAL_BYTES (128u << 10)
#define LIMITER_BURST_SECONDS 10u

struct limiter;

struct limiter *limiter_new(const uint8_t key[16]); /* NULL: no memory */
void limiter_free(struct limiter *);
/* A question came in. False: too many; it is not to be looked at. */
bool limiter_heard(struct limiter *, const struct endpoint *from, usec now);
/* May an answer of this size go out? It then counts as sent. */
bool limiter_spend(struct limiter *, const struct endpoint *to, size_t bytes, usec now);

#endif
