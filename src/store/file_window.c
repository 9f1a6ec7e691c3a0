/* See file_window.h. */
#include "store/file_window.h"

const uint8_t *file_window_at(const struct file_window *w, uint64_t offset, size_t size)
{
    if (!w->open || offset < w->begin || offset > w->end || size > w->end - offset)
        return NULL;
    return w->view.data + (offset - w->begin);
}

bool file_window_open(struct file_window *w, struct env_file *file, uint64_t offset, size_t length)
{
    if (length < VIEW_WORTH)
        return false;
    w->open = env_file_view(file, offset, length, &w->view) == 0;
    w->begin = offset;
    w->end = offset + length;
    return w->open;
}

int file_window_close(struct file_window *w)
{
    int err = w->open ? env_view_end(&w->view) : 0;
    w->open = false;
    return err;
}
