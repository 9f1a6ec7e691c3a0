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
#include <wchar.h>

#define PLAIN_EVERY SECONDS(10)
#define PLAIN_PERCENT 10
#define COLUMNS_DEFAULT 80u
#define ROWS_DEFAULT 24u
#define TEXT_MAX 65536u

static bool is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

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
    t->unicode = is_utf8();
    term_resized(t);
}

void term_resized(struct term *t)
{
    struct winsize size;
    t->columns = COLUMNS_DEFAULT;
    t->rows = ROWS_DEFAULT;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0)
        return;
    if (size.ws_col > 1)
        t->columns = size.ws_col;
    if (size.ws_row > 1)
        t->rows = size.ws_row;
}

/* Bytes of `text` that fit in so many columns. */
static size_t cut_to_columns(const char *text, unsigned columns)
{
    struct bytes left = bytes_of_str(text);
    size_t used = 0;
    while (left.size > 0) {
        uint32_t c;
        size_t n = utf8_next(left, &c);
        int wide = c < 0x80 ? 1 : wcwidth((wchar_t)c);
        unsigned width = wide < 0 ? 1 : (unsigned)wide;
        if (width > columns)
            break;
        columns -= width;
        used += n;
        left.data += n;
        left.size -= n;
    }
    return used;
}

/* What the locale cannot show comes out as \u{NNNN}. */
static void put_shown(struct builder *out, struct bytes text)
{
    bool all = is_utf8();
    while (text.size > 0) {
        uint32_t c;
        size_t n = utf8_next(text, &c);
        if (all || c < 0x80)
            builder_bytes_put(out, text.data, n);
        else
            builder_format(out, "\\u{%04x}", (unsigned)c);
        text.data += n;
        text.size -= n;
    }
}

static void say(const char *prefix, const char *format, va_list args)
{
    char *text;
    if (vasprintf(&text, format, args) < 0)
        return;
    struct builder b = builder_heap(TEXT_MAX);
    builder_str(&b, prefix);
    put_shown(&b, bytes_of_str(text));
    builder_str(&b, "\n");
    fwrite(b.data, 1, b.size, stderr);
    builder_free(&b);
    free(text);
}

static bool plain_is_due(const struct term *t, const char *text, int percent, usec now)
{
    if (strncmp(text, t->last_text, TERM_PLAIN_MAX - 1) == 0)
        return false;
    if (t->last_plain == 0 || now - t->last_plain >= PLAIN_EVERY)
        return true;
    return percent >= 0 && percent >= t->last_percent + PLAIN_PERCENT;
}

static void show_plain(struct term *t, const char *text, int percent, usec now)
{
    const char *last = strrchr(text, '\n');
    if (last)
        text = last + 1;
    if (!plain_is_due(t, text, percent, now))
        return;
    t->last_plain = now;
    t->last_percent = percent;
    snprintf(t->last_text, sizeof t->last_text, "%s", text);
    fprintf(stderr, "%s\n", text);
}

/* A job in the background has no business on the screen. */
static bool in_foreground(void)
{
    pid_t group = tcgetpgrp(STDERR_FILENO);
    return group < 0 || group == getpgrp();
}

static void put_line(const struct term *t, const char *line, size_t size, struct builder *out)
{
    struct builder copy = builder_heap(TEXT_MAX);
    builder_bytes_put(&copy, line, size);
    const char *text = builder_text(&copy);
    builder_bytes_put(out, text, cut_to_columns(text, t->columns - 1));
    builder_str(out, "\x1b[K");
    builder_free(&copy);
}

/* In one write, so that nothing is seen half drawn. */
static void redraw(struct term *t, const char *text)
{
    struct builder b = builder_heap(TEXT_MAX);
    unsigned lines = 1;
    builder_str(&b, "\r");
    if (t->lines_shown > 1)
        builder_format(&b, "\x1b[%uA\x1b[J", t->lines_shown - 1);
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1, lines++) {
        put_line(t, text, (size_t)(end - text), &b);
        builder_str(&b, "\r\n");
    }
    put_line(t, text, strlen(text), &b);
    fwrite(b.data, 1, b.size, stderr);
    builder_free(&b);
    t->lines_shown = lines;
}

void term_progress(struct term *t, const char *text, int percent, usec now)
{
    if (t->quiet)
        return;
    if (!t->interactive)
        show_plain(t, text, percent, now);
    else if (in_foreground())
        redraw(t, text);
}

void term_clear(struct term *t)
{
    if (t->lines_shown == 0)
        return;
    if (t->lines_shown > 1)
        fprintf(stderr, "\r\x1b[%uA\x1b[J", t->lines_shown - 1);
    else
        fputs("\r\x1b[K", stderr);
    t->lines_shown = 0;
}

bool term_is_gone(void)
{
    return ferror(stderr) || ferror(stdout);
}

void term_note(struct term *t, const char *format, ...)
{
    va_list args;
    if (t->quiet)
        return;
    term_clear(t);
    va_start(args, format);
    say("", format, args);
    va_end(args);
}

void term_error(struct term *t, const char *format, ...)
{
    va_list args;
    term_clear(t);
    va_start(args, format);
    say(t->colour ? "\x1b[31mkith:\x1b[0m " : "kith: ", format, args);
    va_end(args);
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

#define BAR_MAX 20u
#define WORDS 64u /* columns of a line of progress without its bar */

int term_share(const struct term *t, uint64_t done, uint64_t total, struct builder *out)
{
    char a[16], z[16];
    int percent = total ? (int)((double)done * 100 / (double)total) : -1;
    unsigned bar = t->columns > WORDS ? t->columns - WORDS : 0;
    if (percent < 0)
        return percent;
    builder_str(out, "  ");
    if (t->interactive && bar > 0)
        term_bar(t, percent / 100.0, bar < BAR_MAX ? bar : BAR_MAX, out);
    builder_format(out, " %3d %%", percent);
    if (!t->interactive || bar > 0)
        builder_format(out, "  %s of %s", human_size(done, a), human_size(total, z));
    return percent;
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
    struct builder shown = builder_heap(TEXT_MAX);
    text_escape(foreign, &b);
    put_shown(&shown, builder_bytes(&b));
    char *copy = strdup(builder_text(&shown));
    builder_free(&shown);
    builder_free(&b);
    if (!copy) {
        fputs("kith: out of memory\n", stderr);
        exit(1);
    }
    return copy;
}
