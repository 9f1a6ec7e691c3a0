/* The terminal: what it can do, and a line or a few of progress that are redrawn in place.
 *
 * On a pipe the same facts come out as plain lines, at most one each ten seconds or ten percent.
 * Foreign text passes term_escape before it gets here. */
#ifndef KITH_CLI_TERM_H
#define KITH_CLI_TERM_H

#include "base/bytes.h"
#include "base/time.h"

enum term_colour { TERM_COLOUR_AUTO, TERM_COLOUR_ALWAYS, TERM_COLOUR_NEVER };

#define TERM_PLAIN_MAX 256u

struct term {
    bool interactive; /* stderr is a terminal that can redraw */
    bool colour;
    bool unicode; /* the locale is UTF-8 */
    bool quiet;
    unsigned columns, rows;
    unsigned lines_shown; /* lines of progress that stand on the screen */
    usec last_plain;      /* when a plain line was printed last */
    int last_percent;
    char last_text[TERM_PLAIN_MAX]; /* of the last plain line: the same is not said again */
};

/* Looks at stderr, TERM, NO_COLOR, CLICOLOR_FORCE and the locale. */
void term_init(struct term *, enum term_colour, bool quiet);
/* Asks again how wide the terminal is (after SIGWINCH). */
void term_resized(struct term *);
/* Shows `text`, one line or several, in place of what it showed before, each cut to the width; a
 * job in the background shows nothing. On a pipe prints the last line now and then. `percent` -1:
 * unknown. */
void term_progress(struct term *, const char *text, int percent, usec now);
/* Whoever read our output or error output is gone: there is nobody to talk to. */
bool term_is_gone(void);
/* Takes the progress off the screen, so that something else can be printed. */
void term_clear(struct term *);
/* A line on stderr that stays, above the progress line. Not in quiet mode. */
void term_note(struct term *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, always shown. */
void term_error(struct term *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A bar of `width` cells for 0.0 to 1.0, in the characters that the terminal has. */
void term_bar(const struct term *, double fraction, unsigned width, struct builder *out);
/* "  BAR  63 %  1.2 GB of 1.9 GB": of the bar as much as leaves room for 40 columns of more words,
 * on a narrow screen the percent alone. Returns the percent; -1, and nothing, if total is 0. */
int term_share(const struct term *, uint64_t done, uint64_t total, struct builder *out);

/* ---- words --------------------------------------------------------------------------------- */

/* "1.9 GB": powers of 1000, three digits. `out` holds 16. Returns out. */
const char *human_size(uint64_t bytes, char out[16]);
const char *human_rate(uint64_t bytes_per_second, char out[20]); /* "1.9 GB/s" */
const char *human_time(int64_t seconds, char out[16]);           /* "12 s", "3 min", "2 h 5 min" */
/* Foreign text made safe for a terminal, in a malloc'd string (never NULL: exits without memory).
 */
char *term_escape(struct bytes foreign);

#endif
