/* Sparse pages with a durable shadow. See pages.h. */
#include "env/sim/pages.h"
#include "env/sim/world.h"
#include <assert.h>
#include <stdlib.h>

#define CHUNK_PAGES 64

struct sim_chunk {
    struct sim_page pages[CHUNK_PAGES];
};

static struct sim_page *page_find(const struct sim_pages *p, uint64_t number)
{
    uint64_t chunk = number / CHUNK_PAGES;
    if (chunk >= p->chunk_count || p->chunks[chunk] == NULL)
        return NULL;
    return &p->chunks[chunk]->pages[number % CHUNK_PAGES];
}

static struct sim_page *page_make(struct sim_pages *p, uint64_t number)
{
    size_t chunk = (size_t)(number / CHUNK_PAGES);
    if (chunk >= p->chunk_count) {
        size_t count = chunk + 1 > p->chunk_count * 2 ? chunk + 1 : p->chunk_count * 2;
        p->chunks = sim_realloc(p->chunks, count * sizeof *p->chunks);
        memset(p->chunks + p->chunk_count, 0, (count - p->chunk_count) * sizeof *p->chunks);
        p->chunk_count = count;
    }
    if (p->chunks[chunk] == NULL)
        p->chunks[chunk] = sim_alloc(sizeof *p->chunks[chunk]);
    return &p->chunks[chunk]->pages[number % CHUNK_PAGES];
}

static bool takes_space(const struct sim_page *page)
{
    return page != NULL && (page->now != NULL || page->reserved);
}

void sim_pages_free(struct sim_pages *p)
{
    for (size_t c = 0; c < p->chunk_count; c++) {
        for (size_t i = 0; p->chunks[c] != NULL && i < CHUNK_PAGES; i++) {
            free(p->chunks[c]->pages[i].now);
            free(p->chunks[c]->pages[i].durable);
        }
        free(p->chunks[c]);
    }
    free(p->chunks);
    free(p->dirty);
    *p = (struct sim_pages){0};
}

bool sim_pages_occupied(const struct sim_pages *p, uint64_t page)
{
    return takes_space(page_find(p, page));
}

/* The content is about to change: keeps what is on the platter. */
static void make_dirty(struct sim_pages *p, struct sim_page *page, uint64_t number)
{
    if (page->dirty)
        return;
    page->dirty = true;
    page->durable = NULL;
    if (page->now != NULL)
        page->durable = memcpy(sim_alloc(SIM_PAGE), page->now, SIM_PAGE);
    if (p->dirty_count == p->dirty_capacity) {
        p->dirty_capacity = p->dirty_capacity == 0 ? 16 : p->dirty_capacity * 2;
        p->dirty = sim_realloc(p->dirty, p->dirty_capacity * sizeof *p->dirty);
    }
    p->dirty[p->dirty_count++] = number;
}

static void write_page(
    struct sim_pages *p, uint64_t number, size_t at, const uint8_t *data, size_t size)
{
    struct sim_page *page = page_make(p, number);
    make_dirty(p, page, number);
    p->occupied += !takes_space(page);
    if (page->now == NULL)
        page->now = sim_alloc(SIM_PAGE);
    memcpy(page->now + at, data, size);
}

void sim_pages_write(struct sim_pages *p, uint64_t offset, const void *data, size_t size)
{
    const uint8_t *from = data;
    if (size > 0 && offset + size > p->size)
        p->size = offset + size;
    while (size > 0) {
        size_t at = (size_t)(offset % SIM_PAGE);
        size_t part = size < SIM_PAGE - at ? size : SIM_PAGE - at;
        write_page(p, offset / SIM_PAGE, at, from, part);
        offset += part;
        from += part;
        size -= part;
    }
}

void sim_pages_read(const struct sim_pages *p, uint64_t offset, void *out, size_t size)
{
    uint8_t *to = out;
    while (size > 0) {
        size_t at = (size_t)(offset % SIM_PAGE);
        size_t part = size < SIM_PAGE - at ? size : SIM_PAGE - at;
        const struct sim_page *page = page_find(p, offset / SIM_PAGE);
        if (page != NULL && page->now != NULL)
            memcpy(to, page->now + at, part);
        else
            memset(to, 0, part);
        offset += part;
        to += part;
        size -= part;
    }
}

void sim_pages_reserve(struct sim_pages *p, uint64_t number)
{
    struct sim_page *page = page_make(p, number);
    p->occupied += !takes_space(page);
    page->reserved = true;
}

/* The page becomes a hole (on the platter only with the next sync). */
static void punch(struct sim_pages *p, uint64_t number)
{
    struct sim_page *page = page_find(p, number);
    if (!takes_space(page))
        return;
    make_dirty(p, page, number);
    free(page->now);
    page->now = NULL;
    page->reserved = false;
    p->occupied--;
}

void sim_pages_truncate(struct sim_pages *p, uint64_t size)
{
    uint64_t first = (size + SIM_PAGE - 1) / SIM_PAGE;
    for (uint64_t n = first; n < (uint64_t)p->chunk_count * CHUNK_PAGES; n++) {
        if (p->chunks[n / CHUNK_PAGES] == NULL)
            n |= CHUNK_PAGES - 1;
        else
            punch(p, n);
    }
    size_t tail = (size_t)(size % SIM_PAGE);
    struct sim_page *page = page_find(p, size / SIM_PAGE);
    if (tail != 0 && size < p->size && page != NULL && page->now != NULL) {
        make_dirty(p, page, size / SIM_PAGE);
        memset(page->now + tail, 0, SIM_PAGE - tail);
    }
    p->size = size;
}

static void clean(struct sim_page *page)
{
    free(page->durable);
    page->durable = NULL;
    page->dirty = false;
}

void sim_pages_sync(struct sim_pages *p)
{
    for (size_t i = 0; i < p->dirty_count; i++)
        clean(page_find(p, p->dirty[i]));
    p->dirty_count = 0;
    p->durable_size = p->size;
}

/* ---- the loss of power --------------------------------------------------------------------- */

enum survival { NOTHING, EVERYTHING, SOME_PAGES, SOME_SECTORS, SURVIVALS };

static void copy_sector(uint8_t *to, const uint8_t *from)
{
    if (from == NULL)
        memset(to, 0, SIM_SECTOR);
    else
        memcpy(to, from, SIM_SECTOR);
}

/* Puts back what is on the platter, for each sector that the draw says. */
static void crash_page(
    struct sim_pages *p, struct sim_page *page, enum survival survival, struct sim_rng *rng)
{
    if (!page->dirty)
        return;
    bool all = survival == NOTHING || (survival == SOME_PAGES && sim_rng_chance(rng, 0.5));
    for (size_t at = 0; at < SIM_PAGE; at += SIM_SECTOR) {
        if (!all && !(survival == SOME_SECTORS && sim_rng_chance(rng, 0.5)))
            continue;
        if (page->now == NULL && page->durable == NULL)
            continue;
        p->occupied += !takes_space(page);
        if (page->now == NULL)
            page->now = sim_alloc(SIM_PAGE);
        copy_sector(page->now + at, page->durable == NULL ? NULL : page->durable + at);
    }
    if (all && page->durable == NULL && page->now != NULL) { /* it was a hole */
        free(page->now);
        page->now = NULL;
        p->occupied -= !takes_space(page);
    }
    clean(page);
}

void sim_pages_crash(struct sim_pages *p, struct sim_rng *rng)
{
    enum survival survival = (enum survival)sim_rng_below(rng, SURVIVALS);
    /* The size is one record of metadata: the new one, or the old. */
    uint64_t size = survival == EVERYTHING || (survival != NOTHING && sim_rng_chance(rng, 0.5))
                        ? p->size
                        : p->durable_size;
    for (size_t i = 0; i < p->dirty_count; i++)
        crash_page(p, page_find(p, p->dirty[i]), survival, rng);
    p->dirty_count = 0;
    sim_pages_truncate(p, size);
    sim_pages_sync(p);
}

/* ---- looking ------------------------------------------------------------------------------- */

bool sim_pages_next_data(const struct sim_pages *p, uint64_t from, uint64_t *start, uint64_t *end)
{
    uint64_t last = (p->size + SIM_PAGE - 1) / SIM_PAGE;
    uint64_t n = from / SIM_PAGE;
    for (; n < last; n++) {
        const struct sim_page *page = page_find(p, n);
        if (page != NULL && page->now != NULL)
            break;
        if (n / CHUNK_PAGES >= p->chunk_count)
            return false;
        if (p->chunks[n / CHUNK_PAGES] == NULL)
            n |= CHUNK_PAGES - 1;
    }
    if (n >= last || from >= p->size)
        return false;
    *start = n * SIM_PAGE > from ? n * SIM_PAGE : from;
    for (; n < last; n++) {
        const struct sim_page *page = page_find(p, n);
        if (page == NULL || page->now == NULL)
            break;
    }
    *end = n * SIM_PAGE < p->size ? n * SIM_PAGE : p->size;
    return true;
}

uint64_t sim_pages_dirty_count(const struct sim_pages *p)
{
    return p->dirty_count;
}

void sim_pages_rot(struct sim_pages *p, uint64_t offset)
{
    struct sim_page *page = page_find(p, offset / SIM_PAGE);
    if (page == NULL)
        return;
    if (page->now != NULL)
        page->now[offset % SIM_PAGE] ^= 1;
    if (page->durable != NULL)
        page->durable[offset % SIM_PAGE] ^= 1;
}
