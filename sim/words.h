/* The words of one line of a scenario, taken one after another, and the values that they stand for.
 * A word that is not what it should be makes the line wrong, once and for all. */
#ifndef KITH_SIM_WORDS_H
#define KITH_SIM_WORDS_H

#include "scenario.h"

struct words {
    const struct scenario_line *line;
    unsigned at;
    bool wrong;
    struct sim_world *world; /* who draws; NULL while there is none: then "A..B" is A */
};

/* The next word; "" and wrong if there is none. */
const char *words_take(struct words *);
/* Takes the next word if it is this one. */
bool words_accept(struct words *, const char *word);
/* It must be this one. */
void words_want(struct words *, const char *word);
/* Which of the words, NULL at their end; the last is drawn for "either" and "any". */
unsigned words_choose(struct words *, const char *const *words);
uint64_t words_count(struct words *);
uint64_t words_size(struct words *);
usec words_time(struct words *);
/* May be negative. */
int64_t words_seconds(struct words *);
bool words_done(const struct words *);

#endif
