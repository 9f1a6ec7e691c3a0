/* See ip_ranges.h. */
#include "base/ip_ranges.h"

#include "base/err.h"
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#define FIRST_ROOM 1024u
/* Above so many IPv4 ranges a table of the first 16 bits stands before the search: of eighteen
 * steps, each of which would wait for memory, three are left. */
#define TABLE_FROM 1024u
#define TABLE_SIZE 65536u

struct range4 {
    uint32_t first, last;
};

struct address6 {
    uint64_t high, low;
};

struct range6 {
    struct address6 first, last;
};

struct ip_ranges {
    struct range4 *v4;
    struct range6 *v6;
    size_t count4, count6, room4, room6;
    uint32_t *table; /* for each first 16 bits: how many ranges begin below them; NULL: none */
    atomic_uint holders;
    bool sealed;
};

static struct address6 address6_of(const struct endpoint *e)
{
    return (struct address6){load_u64(e->ip), load_u64(e->ip + 8)};
}

static int compare6(struct address6 a, struct address6 b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return a.low < b.low ? -1 : a.low > b.low;
}

/* ---- building ------------------------------------------------------------------------------ */

struct ip_ranges *ip_ranges_new(void)
{
    struct ip_ranges *r = calloc(1, sizeof *r);
    if (r)
        atomic_init(&r->holders, 1);
    return r;
}

/* Room for one more item; the new array, or NULL. */
static void *grown(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    size_t more = *room ? *room * 2 : FIRST_ROOM;
    void *at = realloc(items, more * size);
    if (at)
        *room = more;
    return at;
}

static int add4(struct ip_ranges *r, uint32_t first, uint32_t last)
{
    if (last < first)
        return ERR_INVALID;
    if (r->count4 == IP_RANGES_MAX)
        return ERR_LIMIT;
    void *at = grown(r->v4, r->count4, &r->room4, sizeof *r->v4);
    if (!at)
        return ERR_NOMEM;
    r->v4 = at;
    r->v4[r->count4++] = (struct range4){first, last};
    return 0;
}

static int add6(struct ip_ranges *r, struct address6 first, struct address6 last)
{
    if (compare6(last, first) < 0)
        return ERR_INVALID;
    if (r->count6 == IP_RANGES_MAX)
        return ERR_LIMIT;
    void *at = grown(r->v6, r->count6, &r->room6, sizeof *r->v6);
    if (!at)
        return ERR_NOMEM;
    r->v6 = at;
    r->v6[r->count6++] = (struct range6){first, last};
    return 0;
}

int ip_ranges_add(struct ip_ranges *r, const struct endpoint *first, const struct endpoint *last)
{
    assert(!r->sealed);
    if (first->family != last->family)
        return ERR_INVALID;
    if (first->family == ADDR_V4)
        return add4(r, load_u32(first->ip), load_u32(last->ip));
    return first->family == ADDR_V6 ? add6(r, address6_of(first), address6_of(last)) : ERR_INVALID;
}

/* ---- sealing ------------------------------------------------------------------------------- */

static int by_first4(const void *a, const void *b)
{
    const struct range4 *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

static int by_first6(const void *a, const void *b)
{
    const struct range6 *x = a, *y = b;
    return compare6(x->first, y->first);
}

/* Does a range that begins at `first` overlap one that ends at `last`, or begin right behind it? */
static bool touches4(uint32_t last, uint32_t first)
{
    return first <= last || first - last == 1;
}

static bool touches6(struct address6 last, struct address6 first)
{
    struct address6 next = {last.high + (last.low == UINT64_MAX), last.low + 1};
    return compare6(first, last) <= 0 || compare6(first, next) == 0;
}

static size_t merge4(struct range4 *v, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && touches4(v[kept - 1].last, v[i].first)) {
            if (v[i].last > v[kept - 1].last)
                v[kept - 1].last = v[i].last;
        } else {
            v[kept++] = v[i];
        }
    }
    return kept;
}

static size_t merge6(struct range6 *v, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && touches6(v[kept - 1].last, v[i].first)) {
            if (compare6(v[i].last, v[kept - 1].last) > 0)
                v[kept - 1].last = v[i].last;
        } else {
            v[kept++] = v[i];
        }
    }
    return kept;
}

/* What is left after merging gives its spare room back; if that fails, the room stays. */
static void *shrunk(void *items, size_t count, size_t *room, size_t size)
{
    void *at = count > 0 ? realloc(items, count * size) : NULL;
    if (!at)
        return items;
    *room = count;
    return at;
}

/* Without memory for it every search is as long as it would be. */
static void make_table(struct ip_ranges *r)
{
    r->table = r->count4 < TABLE_FROM ? NULL : malloc((TABLE_SIZE + 1) * sizeof *r->table);
    uint32_t below = 0;
    for (uint32_t high = 0; r->table && high < TABLE_SIZE; high++) {
        r->table[high] = below;
        while (below < r->count4 && r->v4[below].first >> 16 == high)
            below++;
    }
    if (r->table)
        r->table[TABLE_SIZE] = below;
}

void ip_ranges_seal(struct ip_ranges *r)
{
    if (r->count4 > 0)
        qsort(r->v4, r->count4, sizeof *r->v4, by_first4);
    if (r->count6 > 0)
        qsort(r->v6, r->count6, sizeof *r->v6, by_first6);
    r->count4 = merge4(r->v4, r->count4);
    r->count6 = merge6(r->v6, r->count6);
    r->v4 = shrunk(r->v4, r->count4, &r->room4, sizeof *r->v4);
    r->v6 = shrunk(r->v6, r->count6, &r->room6, sizeof *r->v6);
    make_table(r);
    r->sealed = true;
}

struct ip_ranges *ip_ranges_hold(struct ip_ranges *r)
{
    if (r)
        atomic_fetch_add(&r->holders, 1);
    return r;
}

void ip_ranges_drop(struct ip_ranges *r)
{
    if (!r || atomic_fetch_sub(&r->holders, 1) > 1)
        return;
    free(r->table);
    free(r->v4);
    free(r->v6);
    free(r);
}

/* ---- looking up ---------------------------------------------------------------------------- */

/* Both searches end at the last range that begins at or before the address: the only one that can
 * hold it, because merged ranges do not overlap. */
static bool contains4(const struct ip_ranges *r, uint32_t ip)
{
    if (r->count4 == 0)
        return false;
    size_t from = r->table ? r->table[ip >> 16] : 0;
    size_t left = r->table ? r->table[(ip >> 16) + 1] - from : r->count4;
    const struct range4 *at = r->v4 + from; /* the first that may begin behind the address */
    while (left > 0) {
        size_t half = left / 2;
        bool before = at[half].first <= ip;
        at = before ? at + half + 1 : at;
        left = before ? left - half - 1 : half;
    }
    return at > r->v4 && ip <= at[-1].last;
}

static bool contains6(const struct ip_ranges *r, struct address6 ip)
{
    const struct range6 *at = r->v6;
    for (size_t left = r->count6; left > 1;) {
        size_t half = left / 2;
        at = compare6(at[half].first, ip) <= 0 ? at + half : at;
        left -= half;
    }
    return r->count6 > 0 && compare6(at->first, ip) <= 0 && compare6(ip, at->last) <= 0;
}

bool ip_ranges_contain(const struct ip_ranges *r, const struct endpoint *e)
{
    if (!r)
        return false;
    assert(r->sealed);
    if (e->family == ADDR_V4)
        return contains4(r, load_u32(e->ip));
    return e->family == ADDR_V6 && contains6(r, address6_of(e));
}

size_t ip_ranges_count(const struct ip_ranges *r)
{
    return r ? r->count4 + r->count6 : 0;
}

size_t ip_ranges_bytes(const struct ip_ranges *r)
{
    return r ? r->room4 * sizeof *r->v4 + r->room6 * sizeof *r->v6 +
                   (r->table ? (TABLE_SIZE + 1) * sizeof *r->table : 0)
             : 0;
}
