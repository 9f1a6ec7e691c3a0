/* See words.h. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit counts[] = {{"", 1}, {NULL, 0}};
static const struct unit sizes[] = {
    {"", 1}, {"k", 1024}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0}};
static const struct unit times[] = {{"ms", 1000}, {"s", USEC_PER_SEC}, {"m", 60 * USEC_PER_SEC},
    {"h", 3600ull * USEC_PER_SEC}, {NULL, 0}};

const char *words_take(struct words *w)
{
    if (w->at < w->line->count)
        return w->line->words[w->at++];
    w->wrong = true;
    return "";
}

bool words_accept(struct words *w, const char *word)
{
    bool is = w->at < w->line->count && strcmp(w->line->words[w->at], word) == 0;
    w->at += is;
    return is;
}

void words_want(struct words *w, const char *word)
{
    if (!words_accept(w, word))
        w->wrong = true;
}

unsigned words_choose(struct words *w, const char *const *words)
{
    const char *word = words_take(w);
    unsigned count = 0, found = 0;
    bool is = false;
    for (; words[count] != NULL; count++) {
        if (strcmp(words[count], word) == 0) {
            found = count;
            is = true;
        }
    }
    if (!is && (strcmp(word, "either") == 0 || strcmp(word, "any") == 0)) {
        found = w->world == NULL ? 0 : (unsigned)sim_world_draw(w->world, count);
        is = true;
    }
    w->wrong |= !is;
    return found;
}

/* One number with its unit; what follows it is left in *rest. */
static uint64_t number(struct words *w, const char *text, const struct unit *units, char **rest)
{
    uint64_t value = strtoull(text, rest, 10);
    size_t length = strcspn(*rest, ".");
    w->wrong |= *rest == text;
    for (; units->name != NULL; units++) {
        if (strlen(units->name) == length && strncmp(units->name, *rest, length) == 0) {
            *rest += length;
            return value * units->factor;
        }
    }
    w->wrong = true;
    return 0;
}

static uint64_t quantity(struct words *w, const struct unit *units)
{
    const char *word = words_take(w);
    char *rest;
    uint64_t low = number(w, word, units, &rest);
    if (w->wrong || *rest == 0)
        return low;
    if (strncmp(rest, "..", 2) != 0) {
        w->wrong = true;
        return low;
    }
    uint64_t high = number(w, rest + 2, units, &rest);
    if (w->wrong || *rest != 0 || high <= low) {
        w->wrong = true;
        return low;
    }
    return w->world == NULL ? low : low + sim_world_draw(w->world, high - low);
}

uint64_t words_count(struct words *w)
{
    return quantity(w, counts);
}

uint64_t words_size(struct words *w)
{
    return quantity(w, sizes);
}

usec words_time(struct words *w)
{
    return (usec)quantity(w, times);
}

int64_t words_seconds(struct words *w)
{
    const char *word = words_take(w);
    char *rest;
    int64_t value = strtoll(word, &rest, 10);
    w->wrong |= *rest != 0 || rest == word;
    return value;
}

bool words_done(const struct words *w)
{
    return !w->wrong && w->at == w->line->count;
}
