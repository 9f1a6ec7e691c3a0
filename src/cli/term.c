/* See term.h. */
#include "cli/term.h"

#include "base/text.h"
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PLAIN_EVERY SECONDS(10)
#define PLAIN_PERCENT 10
#define COLUMNS_DEFAULT 80u
#define TEXT_MAX 65536u

static bool can_redraw(void)
{
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) && kind && strcmp(kind, "dumb") != 0;
}

static bool wants_colour(enum term_colour choice, bool interactive)
{
    const char *no = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE");
    if (choice != TERM_COLOUR_AUTO)
        return choice == TERM_COLOUR_ALWAYS;
    if (no && *no)
        return false;
    return interactive || (force && *force && strcmp(force, "0") != 0);
}

void term_init(struct term *t, enum term_colour colour, bool quiet)
{
    *t = (struct term){.quiet = quiet, .last_percent = -1};
    t->interactive = can_redraw();
    t->colour = wants_colour(colour, t->interactive);
    t->unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    term_resized(t);
}

void term_resized(struct term *t)
{
    struct winsize size;
    t->columns = COLUMNS_DEFAULT;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        t->columns = size.ws_col;
}

/* Bytes of `text` that fit in so many columns, counting a code point as one. */
static size_t cut_to_columns(const char *text, unsigned columns)
{
    struct bytes left = bytes_of_str(text);
    size_t used = 0;
    while (left.size > 0 && columns-- > 0) {
        uint32_t c;
        size_t n = utf8_next(left, &c);
        used += n;
        left.data += n;
        left.size -= n;
    }
    return used;
}

static bool plain_is_due(const struct term *t, int percent, usec now)
{
    if (t->last_plain == 0 || now - t->last_plain >= PLAIN_EVERY)
        return true;
    return percent >= 0 && percent >= t->last_percent + PLAIN_PERCENT;
}

void term_progress(struct term *t, const char *text, int percent, usec now)
{
    if (t->quiet)
        return;
    if (t->interactive) {
        fprintf(stderr, "\r%.*s\x1b[K", (int)cut_to_columns(text, t->columns - 1), text);
        fflush(stderr);
        t->line_shown = true;
        return;
    }
    if (!plain_is_due(t, percent, now))
        return;
    t->last_plain = now;
    t->last_percent = percent;
    fprintf(stderr, "%s\n", text);
}

void term_clear(struct term *t)
{
    if (!t->line_shown)
        return;
    fputs("\r\x1b[K", stderr);
    fflush(stderr);
    t->line_shown = false;
}

void term_note(struct term *t, const char *format, ...)
{
    if (t->quiet)
        return;
    term_clear(t);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void term_error(struct term *t, const char *format, ...)
{
    term_clear(t);
    fputs(t->colour ? "\x1b[31mkith:\x1b[0m " : "kith: ", stderr);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void term_bar(const struct term *t, double fraction, unsigned width, struct builder *out)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    if (!(fraction >= 0))
        fraction = 0;
    if (fraction > 1)
        fraction = 1;
    unsigned cells = (unsigned)(fraction * width * 8);
    unsigned full = cells / 8, part = cells % 8;
    for (unsigned i = 0; i < width; i++) {
        if (i < full)
            builder_str(out, t->unicode ? "█" : "#");
        else if (i == full && part > 0)
            builder_str(out, t->unicode ? eighths[part] : "-");
        else
            builder_str(out, t->unicode ? "░" : ".");
    }
}

const char *human_size(uint64_t bytes, char out[16])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    unsigned unit = 0;
    while (value >= 999.5 && unit < 6) {
        value /= 1000;
        unit++;
    }
    int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(out, 16, "%.*f %s", digits, value, units[unit]);
    return out;
}

const char *human_rate(uint64_t bytes_per_second, char out[20])
{
    char size[16];
    snprintf(out, 20, "%s/s", human_size(bytes_per_second, size));
    return out;
}

const char *human_time(int64_t seconds, char out[16])
{
    long long s = seconds;
    if (s < 0)
        snprintf(out, 16, "?");
    else if (s < 90)
        snprintf(out, 16, "%lld s", s);
    else if (s < 90 * 60)
        snprintf(out, 16, "%lld min", (s + 30) / 60);
    else if (s < 48 * 3600)
        snprintf(out, 16, "%lld h %lld min", s / 3600, s % 3600 / 60);
    else
        snprintf(out, 16, "%lld days", s / 86400 > 99999 ? 99999 : s / 86400);
    return out;
}

char *term_escape(struct bytes foreign)
{
    struct builder b = builder_heap(TEXT_MAX);
    text_escape(foreign, &b);
    char *copy = strdup(builder_text(&b));
    builder_free(&b);
    if (!copy) {
        fputs("kith: out of memory\n", stderr);
        exit(1);
    }
    return copy;
}
