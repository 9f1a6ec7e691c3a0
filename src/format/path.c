/* One component of a path, made safe. See path.h for what that means. */
#include "format/path.h"
#include "base/text.h"

#define REPLACEMENT '_'
#define EXTENSION_MAX 32u /* bytes, dot included, that survive the shortening of a long name */

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

/* Characters that change how their neighbours are shown, or are not shown at all. The zero-width
 * joiner and non-joiner (U+200C, U+200D) stay: Persian, Indic scripts and emoji are spelt with
 * them. */
static bool is_invisible(uint32_t c)
{
    return c == 0x61c || c == 0x200b || c == 0x200e || c == 0x200f || c == 0x2028 || c == 0x2029 ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) || c == 0xfeff;
}

static bool is_forbidden(uint32_t c, enum path_rule rule)
{
    if (is_control(c) || is_invisible(c) || c == '/' || c == '\\')
        return true;
    return rule == PATH_PORTABLE &&
           (c == '<' || c == '>' || c == ':' || c == '"' || c == '|' || c == '?' || c == '*');
}

/* The length of the plain ASCII that a name begins with: nearly always all of it. */
static size_t plain_size(struct bytes raw, enum path_rule rule)
{
    size_t size = 0;
    while (size < raw.size && raw.data[size] < 0x80 && !is_forbidden(raw.data[size], rule))
        size++;
    return size;
}

/* Appends whole characters, each made safe, as long as `room` bytes last. False if not all fit. */
static bool put_clean(struct bytes raw, enum path_rule rule, size_t room, struct builder *out)
{
    struct cursor c = cursor_of(raw);
    while (c.left > 0) {
        size_t plain = plain_size(bytes_of(c.at, c.left < room ? c.left : room), rule);
        if (plain > 0) {
            builder_span(out, cursor_take(&c, plain));
            room -= plain;
            continue;
        }
        uint32_t code_point;
        cursor_skip(&c, utf8_next(bytes_of(c.at, c.left), &code_point));
        uint8_t utf8[4];
        struct builder one = builder_fixed(utf8, sizeof utf8);
        if (is_forbidden(code_point, rule))
            builder_u8(&one, REPLACEMENT);
        else
            utf8_put(&one, code_point);
        if (one.size > room)
            return false;
        room -= one.size;
        builder_span(out, builder_bytes(&one));
    }
    return true;
}

/* What stands behind the last dot, with it; empty if that is too long, or the whole name. */
static struct bytes extension_of(struct bytes name)
{
    for (size_t i = 1; i < EXTENSION_MAX && i < name.size; i++) {
        struct cursor c = cursor_of(name);
        cursor_skip(&c, name.size - i);
        if (*c.at == '.')
            return cursor_rest(&c);
    }
    return bytes_of(NULL, 0);
}

/* A clean name of at most `room` bytes: a longer one is cut before its extension. */
static void put_shortened(struct bytes raw, enum path_rule rule, size_t room, struct builder *out)
{
    size_t start = out->size;
    if (put_clean(raw, rule, room, out))
        return;
    out->size = start;
    struct bytes extension = extension_of(raw);
    uint8_t buffer[4 * EXTENSION_MAX];
    struct builder clean = builder_fixed(buffer, sizeof buffer);
    put_clean(extension, rule, sizeof buffer, &clean);
    put_clean(bytes_of(raw.data, raw.size - extension.size), rule, room - clean.size, out);
    builder_span(out, builder_bytes(&clean));
}

/* "", ".", ".." name no file, and "C:" alone names a drive. */
static void replace_special(struct builder *name)
{
    uint8_t *n = name->data;
    if (name->size == 0)
        builder_u8(name, REPLACEMENT);
    else if (name->size <= 2 && n[0] == '.' && n[name->size - 1] == '.')
        memset(n, REPLACEMENT, name->size);
    else if (name->size == 2 && n[1] == ':' && ((n[0] | 0x20) >= 'a' && (n[0] | 0x20) <= 'z'))
        n[1] = REPLACEMENT;
}

/* CON, PRN, AUX, NUL, COM0-9, LPT0-9, CONIN$, CONOUT$, whatever their case, extension and trailing
 * spaces: devices in every folder of a Windows machine. */
static bool is_device(struct bytes name)
{
    static const char *const whole[] = {"con", "prn", "aux", "nul", "conin$", "conout$"};
    char stem[8];
    size_t size = 0;
    while (size < name.size && name.data[size] != '.')
        size++;
    while (size > 0 && name.data[size - 1] == ' ')
        size--;
    if (size >= sizeof stem)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = name.data[i];
        stem[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    stem[size] = '\0';
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        if (strcmp(stem, whole[i]) == 0)
            return true;
    bool port = strncmp(stem, "com", 3) == 0 || strncmp(stem, "lpt", 3) == 0;
    return port && size == 4 && stem[3] >= '0' && stem[3] <= '9';
}

static void make_portable(struct bytes raw, struct builder *name)
{
    if (is_device(builder_bytes(name))) {
        name->size = 0;
        builder_u8(name, REPLACEMENT);
        put_shortened(raw, PATH_PORTABLE, PATH_COMPONENT_MAX - 1, name);
    }
    for (size_t i = name->size; i > 0 && (name->data[i - 1] == '.' || name->data[i - 1] == ' ');
         i--)
        name->data[i - 1] = REPLACEMENT;
}

void path_sanitise(struct bytes raw, enum path_rule rule, struct builder *out)
{
    uint8_t buffer[PATH_COMPONENT_MAX];
    struct builder name = builder_fixed(buffer, sizeof buffer);
    put_shortened(raw, rule, sizeof buffer, &name);
    if (rule == PATH_PORTABLE)
        make_portable(raw, &name);
    replace_special(&name);
    builder_span(out, builder_bytes(&name));
}

bool path_is_safe(struct bytes component, enum path_rule rule)
{
    uint8_t buffer[PATH_COMPONENT_MAX];
    struct builder safe = builder_fixed(buffer, sizeof buffer);
    path_sanitise(component, rule, &safe);
    return bytes_equal(component, builder_bytes(&safe));
}

bool path_is_safe_relative(struct bytes path, enum path_rule rule)
{
    struct cursor c = cursor_of(path);
    unsigned depth = 0;
    do {
        const uint8_t *slash = c.left > 0 ? memchr(c.at, '/', c.left) : NULL;
        struct bytes component = cursor_take(&c, slash != NULL ? (size_t)(slash - c.at) : c.left);
        if (!path_is_safe(component, rule))
            return false;
        if (slash == NULL)
            return ++depth <= PATH_DEPTH_MAX && path.size <= PATH_LENGTH_MAX;
        cursor_skip(&c, 1);
    } while (++depth < PATH_DEPTH_MAX);
    return false;
}
