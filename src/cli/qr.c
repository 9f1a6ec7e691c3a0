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

bool qr_print(FILE *out, const char *text, unsigned columns)
{
    uint8_t code[qrcodegen_BUFFER_LEN_MAX], scratch[qrcodegen_BUFFER_LEN_MAX];
    if (!qrcodegen_encodeText(text, scratch, code, qrcodegen_Ecc_LOW, qrcodegen_VERSION_MIN,
            qrcodegen_VERSION_MAX, qrcodegen_Mask_AUTO, true))
        return false;
    int size = qrcodegen_getSize(code);
    if ((unsigned)(size + 2 * MARGIN) > columns)
        return false;
    for (int y = -MARGIN; y < size + MARGIN; y += 2) {
        fputs("\x1b[38;2;0;0;0;48;2;255;255;255m", out);
        for (int x = -MARGIN; x < size + MARGIN; x++)
            fputs(cell(qrcodegen_getModule(code, x, y), qrcodegen_getModule(code, x, y + 1)), out);
        fputs("\x1b[0m\n", out);
    }
    return true;
}
