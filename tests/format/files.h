/* Whole files for tests: vectors are data, not code. */
#ifndef KITH_TESTS_FORMAT_FILES_H
#define KITH_TESTS_FORMAT_FILES_H

#include "base/bytes.h"
#include <stdio.h>
#include <stdlib.h>

/* NAME under the folder of vectors. Free with free(); NULL data if it cannot be read. */
static inline struct bytes read_vector(const char *name, const char *suffix)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%s", VECTORS, name, suffix);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return bytes_of(NULL, 0);
    size_t capacity = 1 << 20;
    char *data = malloc(capacity);
    size_t size = fread(data, 1, capacity - 1, f);
    data[size] = '\0';
    fclose(f);
    return bytes_of(data, size);
}

#endif
