/* See input.h. */
#include "cli/input.h"

#include "cli/term.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static struct builder read_all(FILE *in)
{
    struct builder b = builder_heap(INPUT_MAX);
    uint8_t part[65536];
    size_t n;
    while ((n = fread(part, 1, sizeof part, in)) > 0)
        builder_bytes_put(&b, part, n);
    return b;
}

/* Asks on the terminal without showing what is typed: links hold keys. */
static struct builder ask(void)
{
    struct builder b = builder_heap(INPUT_MAX);
    struct termios shown, hidden;
    char line[65536];
    fputs("link: ", stderr);
    if (tcgetattr(STDIN_FILENO, &shown) == 0) {
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
        if (fgets(line, sizeof line, stdin))
            builder_str(&b, line);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        fputc('\n', stderr);
    }
    return b;
}

bool input_is_link(const char *text)
{
    return strncasecmp(text, "magnet:", 7) == 0;
}

bool input_is_url(const char *text)
{
    return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

/* Without the blanks and line breaks that come along with a link. */
static struct builder trimmed(struct builder b)
{
    const char *text = builder_text(&b);
    size_t start = strspn(text, " \t\r\n");
    if (!input_is_link(text + start) && !input_is_url(text + start))
        return b;
    struct builder out = builder_heap(INPUT_MAX);
    builder_bytes_put(&out, text + start, strcspn(text + start, " \t\r\n"));
    builder_free(&b);
    return out;
}

int input_take(const char *operand, struct builder *out)
{
    const char *environment = getenv("KITH_LINK");
    if (!operand && environment) {
        *out = builder_heap(INPUT_MAX);
        builder_str(out, environment);
        *out = trimmed(*out);
        return 0;
    }
    if (!operand) {
        *out = trimmed(ask());
        return 0;
    }
    if (strcmp(operand, "-") == 0) {
        *out = trimmed(read_all(stdin));
        return 0;
    }
    if (input_is_link(operand) || input_is_url(operand)) {
        *out = builder_heap(INPUT_MAX);
        builder_str(out, operand);
        return 0;
    }
    FILE *in = fopen(operand, "rb");
    struct stat st;
    if (in && fstat(fileno(in), &st) == 0 && S_ISDIR(st.st_mode)) {
        fclose(in);
        in = NULL;
        errno = EISDIR;
    }
    if (!in && errno == EISDIR) {
        char *name = term_escape(bytes_of_str(operand));
        fprintf(stderr,
            "kith: %s is a folder: name a .torrent file or a link ('kith create' makes a torrent "
            "of a folder)\n",
            name);
        free(name);
        return -1;
    }
    if (!in) {
        char *name = term_escape(bytes_of_str(operand));
        fprintf(stderr, "kith: %s: %s (it is neither a link nor a file)\n", name, strerror(errno));
        free(name);
        return -1;
    }
    *out = read_all(in);
    fclose(in);
    return 0;
}

void input_blank(const char *operand)
{
    if (operand && (input_is_link(operand) || input_is_url(operand)))
        memset((char *)(uintptr_t)operand, ' ', strlen(operand));
}
