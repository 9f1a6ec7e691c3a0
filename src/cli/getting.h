/* A `kith get` under way, for cmd_get.c, which drives it, and get_show.c, which tells about it. */
#ifndef KITH_CLI_GETTING_H
#define KITH_CLI_GETTING_H

#include "cli/pour.h"
#include "cli/session.h"

struct get_options {
    const char *folder, *files;
    bool exit_when_done, seed, force, overwrite, rename, sequential, sparse, list, per_file;
    double ratio;
    int64_t seed_seconds;
};

/* A get under way. */
struct getting {
    const struct get_options *wanted;
    struct session session;
    struct kith_torrent *torrent;
    struct pour pour;
    bool pours;     /* -o - */
    bool under_way; /* the data is open: trouble from now on may pass */
    bool pouring;   /* the pipe has begun */
    int64_t complete_since;
};

/* Name, size, files and the room for them, before anything is written. */
void get_show_metadata(struct getting *);
void get_show_complete(struct getting *);
/* Can `root` be made in it, or in what will be made? False: errno says why. */
bool get_may_write(const char *folder, const char *root);
/* The bytes that are free where `folder` is or will be; UINT64_MAX: nobody knows. */
uint64_t get_free_space(const char *folder);

#endif
