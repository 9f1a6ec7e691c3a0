/* What of a file is in the page cache, and what shall be. See env.h. */
#include "env/uv/page_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CACHESTAT = 451, PAGE = 4096 };

static int fd_of(const struct env_file *file)
{
    return ((const struct real_file *)file)->fd;
}

static uint64_t pages_of(uint64_t offset, uint64_t size)
{
    return (offset + size - 1) / PAGE - offset / PAGE + 1;
}

bool real_pages_counted(int fd, uint64_t offset, uint64_t size, bool *warm)
{
    struct {
        uint64_t offset, size;
    } range = {offset, size};
    struct {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } pages;
    if (syscall(CACHESTAT, fd, &range, &pages, 0) != 0)
        return errno != ENOSYS;
    *warm = pages.cached == pages_of(offset, size);
    return true;
}

bool real_pages_mapped(int fd, uint64_t offset, uint64_t size)
{
    uint8_t resident[REAL_PAGES_MAX];
    size_t lead = offset % PAGE, count = pages_of(offset, size);
    if (count > REAL_PAGES_MAX)
        return false;
    void *base = mmap(NULL, lead + size, PROT_READ, MAP_SHARED, fd, (off_t)(offset - lead));
    if (base == MAP_FAILED)
        return false;
    bool warm = mincore(base, lead + size, resident) == 0;
    for (size_t i = 0; warm && i < count; i++)
        warm = resident[i] & 1;
    munmap(base, lead + size);
    return warm;
}

bool real_file_is_warm(struct env_file *file, uint64_t offset, uint64_t size)
{
    bool warm = false;
    if (size == 0 || offset > INT64_MAX - size)
        return false;
    return real_pages_counted(fd_of(file), offset, size, &warm)
               ? warm
               : real_pages_mapped(fd_of(file), offset, size);
}

int real_file_warm(struct env_file *file, uint64_t offset, uint64_t size)
{
    struct real_file *f = (struct real_file *)file;
    uint8_t scratch[1];
    int error = real_disk_fault(f->dir, UV_ENV_DISK_READ, NULL);
    if (error)
        return err_from_errno(error);
    if (real_file_is_warm(file, offset, size))
        return 0;
    posix_fadvise(f->fd, (off_t)offset, (off_t)size, POSIX_FADV_WILLNEED);
    /* The advice does not wait: a byte of each page does. */
    for (uint64_t at = offset; at < offset + size; at += PAGE) {
        ssize_t n = pread(f->fd, scratch, 1, (off_t)at);
        if (n < 0)
            return err_from_errno(errno);
        if (n == 0)
            return ERR_CHANGED;
    }
    return 0;
}

void real_file_ahead(struct env_file *file, uint64_t offset, uint64_t size)
{
    posix_fadvise(fd_of(file), (off_t)offset, (off_t)size, POSIX_FADV_WILLNEED);
}
