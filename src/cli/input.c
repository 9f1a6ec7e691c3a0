/* See input.h. */
#include "cli/input.h"

#include "base/err.h"
#include "cli/exit_codes.h"
#include "cli/prompt.h"
#include "cli/term.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct builder read_all(FILE *in)
{
    struct builder b = builder_heap(INPUT_MAX);
    uint8_t part[65536];
    size_t n;
    while ((n = fread(part, 1, sizeof part, in)) > 0)
        builder_bytes_put(&b, part, n);
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

/* The digits of an info-hash alone, as people hand them on: v1 in hex or base32, v2 in hex. */
static bool is_info_hash(const char *text)
{
    static const char hex[] = "0123456789abcdefABCDEF";
    static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz234567";
    size_t size = strlen(text);
    return ((size == 40 || size == 64) && strspn(text, hex) == size) ||
           (size == 32 && strspn(text, base32) == size);
}

static struct builder link_of_hash(const char *digits)
{
    struct builder b = builder_heap(INPUT_MAX);
    bool is_v2 = strlen(digits) == 64; /* a multihash: SHA-256, 32 bytes */
    builder_format(&b, "magnet:?xt=urn:%s%s", is_v2 ? "btmh:1220" : "btih:", digits);
    return b;
}

static int refuse_file(const char *operand)
{
    int err = errno;
    char *name = term_escape(bytes_of_str(operand));
    if (err == EISDIR)
        fprintf(stderr,
            "kith: %s is a folder: name a .torrent file or a link ('kith create' makes a torrent "
            "of a folder)\n",
            name);
    else
        fprintf(stderr, "kith: %s: %s (it is neither a link nor a file)\n", name, strerror(err));
    free(name);
    return err == EISDIR ? EXIT_NO_PEERS : exit_code_of(err_from_errno(err));
}

static int take_file(const char *operand, struct builder *out)
{
    FILE *in = fopen(operand, "rb");
    struct stat st;
    if (in && fstat(fileno(in), &st) == 0 && S_ISDIR(st.st_mode)) {
        fclose(in);
        in = NULL;
        errno = EISDIR;
    }
    if (!in && is_info_hash(operand)) {
        *out = link_of_hash(operand);
        return EXIT_OK;
    }
    if (!in)
        return refuse_file(operand);
    *out = read_all(in);
    fclose(in);
    return EXIT_OK;
}

static int take_from_environment(struct builder *out)
{
    *out = builder_heap(INPUT_MAX);
    builder_str(out, getenv("KITH_LINK"));
    *out = trimmed(*out);
    return EXIT_OK;
}

/* Links hold keys: what is typed is not shown. */
static int take_from_terminal(struct builder *out)
{
    *out = builder_heap(INPUT_MAX);
    if (!prompt_unseen("link: ", out))
        return EXIT_UNFINISHED;
    *out = trimmed(*out);
    return EXIT_OK;
}

static int take(const char *operand, struct builder *out)
{
    if (!operand)
        return getenv("KITH_LINK") ? take_from_environment(out) : take_from_terminal(out);
    if (strcmp(operand, "-") == 0) {
        *out = trimmed(read_all(stdin));
        return EXIT_OK;
    }
    if (!input_is_link(operand) && !input_is_url(operand))
        return take_file(operand, out);
    *out = builder_heap(INPUT_MAX);
    builder_str(out, operand);
    return EXIT_OK;
}

int input_check(struct builder *b)
{
    builder_text(b);
    if (builder_ok(b) && b->size > 0)
        return EXIT_OK;
    fprintf(stderr, "kith: %s\n",
        builder_ok(b) ? "it is empty: neither a link nor a torrent"
                      : "it is too large for a link or a torrent");
    return EXIT_BAD_LINK;
}

int input_take(const char *operand, struct builder *out)
{
    *out = (struct builder){0};
    int code = take(operand, out);
    if (code == EXIT_OK)
        code = input_check(out);
    if (code != EXIT_OK)
        builder_free(out);
    return code;
}

void input_blank(const char *operand)
{
    if (operand && (input_is_link(operand) || input_is_url(operand)))
        memset((char *)(uintptr_t)operand, ' ', strlen(operand));
}
