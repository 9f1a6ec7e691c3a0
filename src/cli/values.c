/* See values.h. */
#include "cli/values.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A number with a unit out of `units`; its factor is in `factors`. */
static int parse_scaled(
    const char *text, const char *units, const uint64_t *factors, double max, double *out)
{
    char *end;
    if (!isdigit((unsigned char)text[0]) && text[0] != '.')
        return -1;
    errno = 0;
    double value = strtod(text, &end);
    if (errno || end == text)
        return -1;
    if (*end) {
        const char *unit = strchr(units, tolower((unsigned char)*end));
        if (!unit)
            return -1;
        value *= (double)factors[unit - units];
        end++;
        if (*end == 'i' || *end == 'I')
            end++;
        if (*end == 'b' || *end == 'B')
            end++;
    }
    if (*end || !(value <= max))
        return -1;
    *out = value;
    return 0;
}

int parse_size(const char *text, uint64_t *out)
{
    static const uint64_t factors[] = {1, 1ull << 10, 1ull << 20, 1ull << 30, 1ull << 40};
    double value;
    if (parse_scaled(text, "bkmgt", factors, 9e15, &value) != 0)
        return -1;
    *out = (uint64_t)value;
    return 0;
}

int parse_duration(const char *text, int64_t *out)
{
    static const uint64_t factors[] = {1, 60, 3600, 86400, 604800};
    double value;
    if (parse_scaled(text, "smhdw", factors, 1e11, &value) != 0)
        return -1;
    *out = (int64_t)value;
    return 0;
}

int parse_number(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return -1;
    *out = value;
    return 0;
}

int parse_real(const char *text, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return errno || end == text || *end || !(*out >= 0) ? -1 : 0;
}

int parse_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (int i = 0; choices; i++) {
        const char *bar = strchr(choices, '|');
        size_t size = bar ? (size_t)(bar - choices) : strlen(choices);
        if (size == length && memcmp(choices, text, size) == 0)
            return i;
        choices = bar ? bar + 1 : NULL;
    }
    return -1;
}

int parse_yes_no(const char *text)
{
    int choice = parse_choice("0|1|no|yes|false|true|off|on", text);
    return choice < 0 ? -1 : choice & 1;
}
