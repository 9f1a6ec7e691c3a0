/* What people write as values: sizes, times, numbers, choices. 0, or -1 if it is not one. */
#ifndef KITH_CLI_VALUES_H
#define KITH_CLI_VALUES_H

#include <stdint.h>

int parse_size(const char *text, uint64_t *out);         /* bytes: 512, 16K, 4M, 1.5G (of 1024) */
int parse_duration(const char *text, int64_t *out);      /* seconds: 90, 45s, 30m, 2h, 1d */
int parse_number(const char *text, int64_t *out);        /* decimal, with a sign if need be */
int parse_real(const char *text, double *out);           /* not negative */
int parse_yes_no(const char *text);                      /* 1, 0, yes, no, true, false; else -1 */
int parse_choice(const char *choices, const char *text); /* the index in "a|b|c"; else -1 */

#endif
