/* See detail.h. */
#include "format/detail.h"
#include <stdarg.h>
#include <stdio.h>

int format_fail(struct format_error *error, int err, const char *format, ...)
{
    if (error == NULL)
        return err;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return err;
}
