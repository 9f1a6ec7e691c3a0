/* A QR code on a terminal: black on white by explicit colours, with the quiet margin that scanners
 * need, two rows of modules in a line. */
#ifndef KITH_CLI_QR_H
#define KITH_CLI_QR_H

#include <stdbool.h>
#include <stdio.h>

/* False: the text is too long for a code, or the code too wide for `columns`. */
bool qr_print(FILE *out, const char *text, unsigned columns, bool unicode);

#endif
