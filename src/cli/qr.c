/* See qr.h. */
#include "cli/qr.h"

#include <qrcodegen/qrcodegen.h>

#define MARGIN 4

/* Dark modules are painted, so the code is right on dark and light terminals alike. */
static const char *cell(bool upper, bool lower)
{
    if (upper)
        return lower ? "█" : "▀";
    return lower ? "▄" : " ";
}

#define BLACK_ON_WHITE "\x1b[38;2;0;0;0;48;2;255;255;255m"

/* Half blocks: two modules in a character. */
static void print_halves(FILE *out, const uint8_t *code, int size)
{
    for (int y = -MARGIN; y < size + MARGIN; y += 2) {
        fputs(BLACK_ON_WHITE, out);
        for (int x = -MARGIN; x < size + MARGIN; x++)
            fputs(cell(qrcodegen_getModule(code, x, y), qrcodegen_getModule(code, x, y + 1)), out);
        fputs("\x1b[0m\n", out);
    }
}

/* Blanks alone, two a module, painted. */
static void print_blanks(FILE *out, const uint8_t *code, int size)
{
    for (int y = -MARGIN; y < size + MARGIN; y++) {
        for (int x = -MARGIN; x < size + MARGIN; x++)
            fputs(qrcodegen_getModule(code, x, y) ? "\x1b[40m  " : "\x1b[107m  ", out);
        fputs("\x1b[0m\n", out);
    }
}

bool qr_print(FILE *out, const char *text, unsigned columns, bool unicode)
{
    uint8_t code[qrcodegen_BUFFER_LEN_MAX], scratch[qrcodegen_BUFFER_LEN_MAX];
    if (!qrcodegen_encodeText(text, scratch, code, qrcodegen_Ecc_LOW, qrcodegen_VERSION_MIN,
            qrcodegen_VERSION_MAX, qrcodegen_Mask_AUTO, true))
        return false;
    int size = qrcodegen_getSize(code);
    if ((unsigned)(size + 2 * MARGIN) * (unicode ? 1 : 2) > columns)
        return false;
    if (unicode)
        print_halves(out, code, size);
    else
        print_blanks(out, code, size);
    return true;
}
