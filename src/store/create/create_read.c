/* See create_read.h. A file is left when the bytes behind its end are asked for, or never will be:
 * by then what was read of it has been hashed, also where it was mapped. */
#include "store/create/create_read.h"

#include "base/err.h"

void create_reader_begin(
    struct create_reader *r, const struct scan *scan, size_t file, uint64_t offset, uint64_t size)
{
    *r = (struct create_reader){.scan = scan, .file = file, .offset = offset, .left = size};
}

/* Closes the window. What was torn was either cut, or its disk failed, and then the file is still
 * as it was scanned. */
static int close_window(struct create_reader *r)
{
    struct env_stat st;
    if (file_window_close(&r->window) == 0)
        return 0;
    bool same =
        env_file_stat(r->open, &st) == 0 && scan_file_unchanged(&r->scan->files[r->file], &st);
    r->torn |= same;
    return same ? ERR_IO : ERR_CHANGED;
}

/* Closes the file, after a look at whether it is still the one that was scanned: what was read of
 * it before that look is then of that file. */
static int leave_file(struct create_reader *r)
{
    struct env_stat st;
    if (r->open == NULL)
        return 0;
    int err = close_window(r);
    if (err == 0)
        err = env_file_stat(r->open, &st);
    if (err == 0 && !scan_file_unchanged(&r->scan->files[r->file], &st))
        err = ERR_CHANGED;
    env_file_close(r->open);
    r->open = NULL;
    return err;
}

/* Moves on to the file that holds the next byte. */
static int find_file(struct create_reader *r)
{
    while (r->offset == r->scan->files[r->file].size) {
        int err = leave_file(r);
        if (err < 0)
            return err;
        r->file++;
        r->offset = 0;
    }
    return 0;
}

static int open_file(struct create_reader *r)
{
    int err = find_file(r);
    if (err != 0 || r->open != NULL)
        return err;
    err = env_file_open(r->scan->dir, r->scan->files[r->file].path, ENV_OPEN_READ, &r->open);
    if (err != 0)
        r->open = NULL;
    /* A link stands where a file or folder was. */
    return err == ERR_UNSAFE_PATH ? ERR_CHANGED : err;
}

static void advance(struct create_reader *r, size_t size)
{
    r->offset += size;
    r->left -= size;
    r->files_ended += r->offset == r->scan->files[r->file].size;
}

/* How much of the next `size` bytes one window holds. */
static size_t window_size(const struct create_reader *r, uint64_t size, size_t most)
{
    uint64_t rest = r->scan->files[r->file].size - r->offset;
    uint64_t length = rest < size ? rest : size;
    return length < most ? (size_t)length : most;
}

void create_reader_share(struct create_reader *r, uint64_t size, struct create_share *share)
{
    if (open_file(r) != 0)
        return;
    share->file = r->file;
    file_window_open(&share->window, r->open, r->offset, window_size(r, size, FILE_WINDOW_MAX));
}

int create_share_end(struct create_share *share)
{
    return file_window_close(&share->window);
}

int create_reader_ahead(struct create_reader *r, uint64_t size)
{
    int err = open_file(r);
    if (err == 0)
        env_file_ahead(r->open, r->offset, size);
    return err;
}

/* The next bytes where they are mapped, after moving the window on if need be; NULL: read them. */
static const uint8_t *mapped(struct create_reader *r, size_t size, int *err)
{
    const uint8_t *at = NULL;
    if (r->unmapped)
        return NULL;
    if (r->share != NULL && r->share->file == r->file)
        at = file_window_at(&r->share->window, r->offset, size);
    if (at == NULL)
        at = file_window_at(&r->window, r->offset, size);
    if (at != NULL)
        return at;
    *err = close_window(r);
    size_t length = window_size(r, r->left, r->share ? FILE_WINDOW_OF_MANY : FILE_WINDOW_MAX);
    if (*err == 0 && size <= length)
        file_window_open(&r->window, r->open, r->offset, length);
    return file_window_at(&r->window, r->offset, size);
}

static int fill(struct create_reader *r, uint8_t *out, size_t size)
{
    while (size > 0) {
        int err = open_file(r);
        if (err < 0)
            return err;
        uint64_t rest = r->scan->files[r->file].size - r->offset;
        struct iovec part = {out, rest < size ? (size_t)rest : size};
        err = env_file_preadv(r->open, &part, 1, r->offset);
        if (err < 0)
            return err;
        out += part.iov_len;
        size -= part.iov_len;
        advance(r, part.iov_len);
    }
    return 0;
}

int create_reader_next(struct create_reader *r, size_t size, uint8_t *room, const uint8_t **out)
{
    int err = open_file(r);
    if (err < 0)
        return err;
    if ((*out = mapped(r, size, &err)) != NULL) {
        advance(r, size);
        return 0;
    }
    *out = room;
    return err < 0 ? err : fill(r, room, size);
}

int create_reader_end(struct create_reader *r)
{
    return leave_file(r);
}
