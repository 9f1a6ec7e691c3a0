/* See pour.h. */
#include "cli/pour.h"

#include "cli/exit_codes.h"
#include "cli/tidy.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define POUR_PART 65536
#define POUR_TURN_MAX (4u << 20) /* bytes, before the node has its turn again */
#define POUR_PIPE (1 << 20)

static bool cache_folder(char out[PATH_MAX])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && cache[0] == '/')
        snprintf(out, PATH_MAX, "%.3000s", cache);
    else if (home && home[0] == '/')
        snprintf(out, PATH_MAX, "%.3000s/.cache", home);
    else
        return false;
    mkdir(out, 0700);
    strncat(out, "/kith", PATH_MAX - strlen(out) - 1);
    return mkdir(out, 0700) == 0 || errno == EEXIST;
}

bool pour_folder(struct pour *p, const char *name, char out[PATH_MAX])
{
    char cache[PATH_MAX];
    if (!cache_folder(cache))
        return false;
    tidy_cache(cache);
    snprintf(out, PATH_MAX, "%.3500s/%.500s", cache, name);
    if (mkdir(out, 0700) != 0 && errno != EEXIST)
        return false;
    p->hold = open(out, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return p->hold >= 0 && flock(p->hold, LOCK_SH) == 0;
}

/* The one wanted file; -1 if there are none or several. */
static int64_t wanted_file(struct kith_torrent *t, struct kith_file *out)
{
    int64_t found = -1;
    struct kith_file f;
    KITH_INIT(f);
    for (uint32_t i = 0; kith_file(t, i, &f) == 0; i++) {
        if (f.priority == 0 || f.length == 0)
            continue;
        if (found >= 0)
            return -1;
        found = i;
        *out = f;
    }
    return found;
}

int pour_begin(struct pour *p, struct kith_torrent *t)
{
    struct kith_file file;
    int64_t index = wanted_file(t, &file);
    struct stat st;
    if (index < 0) {
        fputs("kith: '-o -' wants exactly one file: choose it with --files GLOB "
              "('kith get --list' shows them)\n",
            stderr);
        return EXIT_USAGE;
    }
    p->torrent = t;
    p->file = (uint32_t)index;
    p->length = file.length;
    p->flags = fcntl(STDOUT_FILENO, F_GETFL);
    /* A reader that rests must not keep the node from its peers. */
    if (fstat(STDOUT_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        fcntl(STDOUT_FILENO, F_SETFL, p->flags | O_NONBLOCK);
    fcntl(STDOUT_FILENO, F_SETPIPE_SZ, POUR_PIPE);
    return 0;
}

static bool open_file(struct pour *p)
{
    struct kith_status st;
    struct kith_file file;
    struct stat root;
    char path[PATH_MAX];
    KITH_INIT(st);
    KITH_INIT(file);
    if (p->in >= 0)
        return true;
    if (kith_status(p->torrent, &st) != 0 || kith_file(p->torrent, p->file, &file) != 0)
        return false;
    snprintf(path, sizeof path, "%.2000s/%.255s", st.folder, st.root);
    if (stat(path, &root) == 0 && S_ISDIR(root.st_mode))
        snprintf(path, sizeof path, "%.1500s/%.255s/%.2000s", st.folder, st.root, file.path);
    p->in = open(path, O_RDONLY | O_CLOEXEC);
    p->error = p->in < 0 ? errno : 0;
    return p->in >= 0;
}

/* Bytes written; 0: not now; -1: it cannot be. */
static ssize_t pour_part(struct pour *p, uint64_t ready)
{
    static char part[POUR_PART];
    size_t size = ready < sizeof part ? (size_t)ready : sizeof part;
    ssize_t n = pread(p->in, part, size, (off_t)p->at);
    p->error = n < 0 ? errno : EIO; /* a part that was verified is not there any more */
    if (n <= 0)
        return -1;
    ssize_t out = write(STDOUT_FILENO, part, (size_t)n);
    p->error = out < 0 ? errno : 0;
    return p->error == EAGAIN || p->error == EINTR ? 0 : out;
}

int pour_some(struct pour *p)
{
    size_t turn = 0;
    uint64_t ready = kith_file_ready(p->torrent, p->file, p->at);
    while (ready > 0 && turn < POUR_TURN_MAX) {
        ssize_t n = open_file(p) ? pour_part(p, ready) : -1;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        p->at += (uint64_t)n;
        ready -= (uint64_t)n;
        turn += (size_t)n;
    }
    return p->at == p->length;
}

void pour_wait(struct pour *p, struct kith_node *node, int64_t milliseconds)
{
    bool has_some = kith_file_ready(p->torrent, p->file, p->at) > 0;
    struct pollfd fds[2] = {{.fd = kith_fd(node), .events = POLLIN},
        {.fd = STDOUT_FILENO, .events = has_some ? POLLOUT : 0}};
    int64_t due = kith_timeout(node);
    if (due >= 0 && due < milliseconds)
        milliseconds = due;
    poll(fds, 2, (int)milliseconds);
    kith_process(node);
}

void pour_end(struct pour *p)
{
    if (p->in >= 0)
        close(p->in);
    if (p->hold >= 0)
        close(p->hold);
    p->in = p->hold = -1;
    if (p->flags >= 0)
        fcntl(STDOUT_FILENO, F_SETFL, p->flags);
}
