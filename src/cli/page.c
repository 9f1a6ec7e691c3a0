/* See page.h. */
#include "cli/page.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define WIDTH 80u
#define ITEM_COLUMN 28u
#define MAN_LINE_MAX 72u
#define PAGE_DATE "November 27, 2026" /* of the texts: change it with them */

/* ---- plain text ---------------------------------------------------------------------------- */

/* Words from `column` on, wrapped at WIDTH to `indent`. Ends the line. */
static void wrap(FILE *out, const char *text, unsigned column, unsigned indent)
{
    unsigned at = column;
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (at > indent && at + 1 + word > WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, word, out);
        at += (unsigned)word;
        text += word;
        if (text[0] == '\n' && text[1] == '\n') {
            fprintf(out, "\n\n%*s", (int)indent, "");
            at = indent;
        }
        text += strspn(text, " \n");
    }
    fputc('\n', out);
}

static void text_item(FILE *out, const char *term, const char *text)
{
    unsigned length = (unsigned)strlen(term) + 2;
    fprintf(out, "  %s", term);
    if (length < ITEM_COLUMN - 1)
        fprintf(out, "%*s", (int)(ITEM_COLUMN - length), "");
    else
        fprintf(out, "\n%*s", (int)ITEM_COLUMN, "");
    wrap(out, text, ITEM_COLUMN, ITEM_COLUMN);
}

/* ---- mdoc ---------------------------------------------------------------------------------- */

static bool ends_sentence(const char *text)
{
    return strchr(".?!", text[0]) && text[1] == ' ' && text[2] && !islower((unsigned char)text[2]);
}

/* One line, with what roff would take for itself made harmless. */
static void man_line(FILE *out, const char *text, size_t size)
{
    if (size > 0 && (text[0] == '.' || text[0] == '\''))
        fputs("\\&", out);
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\\')
            fputs("\\e", out);
        else if (text[i] == '-')
            fputs("\\-", out);
        else
            fputc(text[i], out);
    fputc('\n', out);
}

/* Running text. A new sentence begins a new line, as mdoc wants it, and so does what gets long. */
static void man_words(FILE *out, const char *text, size_t size)
{
    size_t start = 0;
    for (size_t i = 0; i + 1 < size; i++) {
        bool sentence = i + 2 < size && ends_sentence(text + i);
        size_t next_word = strcspn(text + i + 1, " ");
        if (!sentence && (text[i] != ' ' || i + next_word - start < MAN_LINE_MAX))
            continue;
        man_line(out, text + start, i + sentence - start);
        start = i + 1 + sentence;
    }
    man_line(out, text + start, size - start);
}

static void man_text(FILE *out, const char *text)
{
    for (const char *gap; (gap = strstr(text, "\n\n")) != NULL; text = gap + 2) {
        man_words(out, text, (size_t)(gap - text));
        fputs(".Pp\n", out);
    }
    man_words(out, text, strlen(text));
}

static void man_begin(FILE *out, const char *name, const char *summary, const char *synopsis)
{
    char title[32], upper[32];
    snprintf(title, sizeof title, "%s", name);
    for (size_t i = 0; title[i]; i++)
        title[i] = title[i] == ' ' ? '-' : title[i];
    snprintf(upper, sizeof upper, "%s", title);
    for (size_t i = 0; upper[i]; i++)
        upper[i] = (char)toupper((unsigned char)upper[i]);
    fprintf(out, ".Dd %s\n.Dt %s 1\n.Os\n", PAGE_DATE, upper);
    fprintf(out, ".Sh NAME\n.Nm %s\n.Nd %s\n.Sh SYNOPSIS\n.Nm %s\n.Ar %s\n", title, summary, name,
        synopsis);
}

/* ---- both ---------------------------------------------------------------------------------- */

void page_begin(struct page *p, const char *name, const char *summary, const char *synopsis)
{
    if (p->form == PAGE_MAN)
        man_begin(p->out, name, summary, synopsis);
    else
        fprintf(p->out, "%s - %s\n\nusage: %s %s\n", name, summary, name, synopsis);
}

void page_heading(struct page *p, const char *text)
{
    if (p->form == PAGE_TEXT) {
        fprintf(p->out, "\n%s\n", text);
        return;
    }
    fputs(".Sh ", p->out);
    for (; *text; text++)
        fputc(toupper((unsigned char)*text), p->out);
    fputc('\n', p->out);
}

void page_subheading(struct page *p, const char *text)
{
    fprintf(p->out, p->form == PAGE_MAN ? ".Ss %s\n" : "\n%s:\n", text);
}

void page_text(struct page *p, const char *text)
{
    if (p->form == PAGE_MAN)
        man_text(p->out, text);
    else
        wrap(p->out, text, 0, 0);
}

void page_list_begin(struct page *p)
{
    if (p->form == PAGE_MAN)
        fputs(".Bl -tag -width completion\n", p->out);
}

void page_item(struct page *p, const char *term, const char *text)
{
    if (p->form == PAGE_TEXT) {
        text_item(p->out, term, text);
        return;
    }
    fputs(".It Cm ", p->out);
    man_line(p->out, term, strlen(term));
    man_text(p->out, text);
}

void page_option(struct page *p, char letter, const char *name, const char *value, const char *text)
{
    char term[96], shown[8];
    snprintf(shown, sizeof shown, letter ? "-%c, " : "    ", letter);
    if (p->form == PAGE_TEXT) {
        snprintf(
            term, sizeof term, "%s--%s%s%s", shown, name, value ? " " : "", value ? value : "");
        text_item(p->out, term, text);
        return;
    }
    fputs(".It ", p->out);
    if (letter)
        fprintf(p->out, "Fl %c , ", letter);
    fprintf(p->out, "Fl \\-%s%s%s\n", name, value ? " Ar " : "", value ? value : "");
    man_text(p->out, text);
}

void page_list_end(struct page *p)
{
    if (p->form == PAGE_MAN)
        fputs(".El\n", p->out);
}

void page_literal(struct page *p, const char *lines)
{
    if (p->form == PAGE_TEXT) {
        fprintf(p->out, "%s\n", lines);
        return;
    }
    fputs(".Bd -literal\n", p->out);
    for (const char *end; *lines; lines = *end ? end + 1 : end) {
        end = lines + strcspn(lines, "\n");
        man_line(p->out, lines, (size_t)(end - lines));
    }
    fputs(".Ed\n", p->out);
}

void page_see_also(struct page *p, const char *names)
{
    if (p->form == PAGE_TEXT)
        return;
    fputs(".Sh SEE ALSO\n", p->out);
    while (*names) {
        size_t word = strcspn(names, " ");
        const char *next = names + word + strspn(names + word, " ");
        fprintf(p->out, ".Xr %.*s 1%s\n", (int)word, names, *next ? " ," : "");
        names = next;
    }
}
