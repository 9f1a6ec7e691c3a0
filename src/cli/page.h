/* A page of help: headings, paragraphs and items, for a terminal or as a man page in mdoc(7). The
 * same calls make both, so that they say the same. Texts are ASCII and unbroken; the page wraps. */
#ifndef KITH_CLI_PAGE_H
#define KITH_CLI_PAGE_H

#include <stdio.h>

enum page_form { PAGE_TEXT, PAGE_MAN };
struct page {
    FILE *out;
    enum page_form form;
};

/* `name` "kith get", `summary` without a full stop, `synopsis` what follows the name. */
void page_begin(struct page *, const char *name, const char *summary, const char *synopsis);
void page_heading(struct page *, const char *text);
void page_subheading(struct page *, const char *text);
/* Paragraphs are parted by "\n\n". */
void page_text(struct page *, const char *text);
void page_list_begin(struct page *);
void page_item(struct page *, const char *term, const char *text);
/* An option; `letter` 0: none, `value` NULL: none. */
void page_option(struct page *, char letter, const char *name, const char *value, const char *text);
void page_list_end(struct page *);
/* Lines as they are. */
void page_literal(struct page *, const char *lines);
/* "SEE ALSO": names parted by blanks. */
void page_see_also(struct page *, const char *names);

#endif
