/* What was wrong with foreign bytes, in words: "file 12: path is deeper than 100 folders".
 *
 * An error code says what kind of thing went wrong; this says what and where, for the person who
 * looks at it. Foreign strings are never copied into it unescaped. Filled by metainfo, magnet and
 * metainfo_write; every parameter of this type may be NULL. */
#ifndef KITH_FORMAT_DETAIL_H
#define KITH_FORMAT_DETAIL_H

#define FORMAT_ERROR_TEXT_MAX 160

/* English, lower case, no full stop; "" when nothing went wrong. */
struct format_error {
    char text[FORMAT_ERROR_TEXT_MAX];
};

/* Writes the text (when error is not NULL) and returns err, so that a failure is one line. */
int format_fail(struct format_error *error, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
