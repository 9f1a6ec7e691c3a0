/* Files as memory that jobs read, and what happens when such memory goes away.
 *
 * A page of a mapped file that somebody cut off, or that the disk cannot give back, is a SIGBUS to
 * who reads it. Its handler here puts zeros where the view was and marks it as torn; the reader
 * goes on, and hears of it at the end. That a process has one handler for a signal is why there are
 * views only where its owner said so (uv_env.h). What is not ours goes to who was there before. */
#include "env/uv/disk.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

/* Those that this thread has. A fault is met by the thread that reads, so no lock is needed; and
 * the handler may look here, because it is not allocated when it is first used (initial-exec). */
static _Thread_local struct env_view *views __attribute__((tls_model("initial-exec")));

/* Written while the handler does not stand. */
static struct sigaction before;

static bool tear(uintptr_t at)
{
    for (struct env_view *v = views; v; v = v->next) {
        if (at - (uintptr_t)v->base >= v->size)
            continue;
        v->torn = true;
        return mmap(v->base, v->size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
               MAP_FAILED;
    }
    return false;
}

/* As if we had not been there: the access fails again when we return. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(number, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(number);
    } else {
        signal(number, SIG_DFL);
        if (info->si_code <= 0) /* sent by a process: nothing would happen again by itself */
            raise(number);
    }
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    int error = errno;
    bool ours = info->si_code > 0 && tear((uintptr_t)info->si_addr);
    errno = error;
    if (!ours)
        pass_on(number, info, context);
}

/* Again for every env: somebody may have taken the signal since. */
void real_views_allow(struct real_disk *disk)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct sigaction ours = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction now;
    sigemptyset(&ours.sa_mask);
    pthread_mutex_lock(&lock);
    sigaction(SIGBUS, NULL, &now);
    if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_bus_error) {
        before = now;
        sigaction(SIGBUS, &ours, NULL);
    }
    pthread_mutex_unlock(&lock);
    disk->views = true;
}

static int map_range(struct real_file *f, uint64_t offset, size_t size, void **base)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return err_from_errno(errno);
    if ((uint64_t)st.st_size < offset + size)
        return ERR_CHANGED;
    *base = mmap(NULL, size, PROT_READ, MAP_SHARED, f->fd, (off_t)offset);
    if (*base == MAP_FAILED)
        return errno == ENOMEM ? ERR_NOMEM : ERR_UNSUPPORTED;
    /* What is read once, in order, shall not push out of the page cache what others need: with this
     * a page that was touched does not count as used. MADV_POPULATE_READ would count it: it costs
     * 0.04 s/GiB more at the first reading, and is no faster at the others. */
    madvise(*base, size, MADV_SEQUENTIAL);
    return 0;
}

int real_file_view(struct env_file *file, uint64_t offset, size_t size, struct env_view *out)
{
    struct real_file *f = (struct real_file *)file;
    enum { PAGE = 4096 }; /* mmap says EINVAL where it is larger: then files are read */
    size_t lead = offset % PAGE;
    if (!f->dir->disk->views || size == 0 || offset > INT64_MAX - size)
        return ERR_UNSUPPORTED;
    int error = real_disk_fault(f->dir, UV_ENV_DISK_READ, NULL);
    if (error)
        return err_from_errno(error);
    void *base = NULL;
    int err = map_range(f, offset - lead, lead + size, &base);
    if (err)
        return err;
    out->data = (const uint8_t *)base + lead;
    out->base = base;
    out->size = lead + size;
    out->torn = false;
    out->next = views;
    atomic_signal_fence(memory_order_seq_cst); /* the handler sees it whole */
    views = out;
    return 0;
}

int real_view_end(struct env_view *view)
{
    struct env_view **link = &views;
    while (*link != view)
        link = &(*link)->next;
    atomic_signal_fence(memory_order_seq_cst); /* what was read has been read */
    bool torn = view->torn;
    *link = view->next;
    munmap(view->base, view->size);
    return torn ? ERR_CHANGED : 0;
}
