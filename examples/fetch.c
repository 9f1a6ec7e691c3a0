/* Fetches a magnet link into a folder with libkith: ./fetch LINK FOLDER
 *
 *     cc fetch.c $(pkg-config --cflags --libs libkith) -o fetch
 */
#include <kith.h>
#include <stdio.h>

static void show(struct kith_torrent *torrent)
{
    struct kith_status s;
    KITH_INIT(s);
    if (kith_status(torrent, &s) == 0)
        printf("%llu of %llu bytes, %u peers %s\n", (unsigned long long)s.bytes_done,
            (unsigned long long)s.bytes_total, s.peers_connected, s.waiting_for);
}

/* 0: go on; 1: complete; -1: failed */
static int take_events(struct kith_node *node)
{
    const struct kith_event *e;
    while ((e = kith_next_event(node)) != NULL) {
        int type = kith_event_type(e);
        if (type == KITH_EVENT_COMPLETE)
            return 1;
        if (type == KITH_EVENT_TROUBLE || type == KITH_EVENT_CONFLICT) {
            fprintf(stderr, "%s\n", kith_event_text(e));
            return -1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct kith_node *node;
    struct kith_torrent *torrent;
    struct kith_add add;
    int result = 0;
    if (argc != 3 || kith_open(NULL, &node) != 0) {
        fprintf(stderr, "usage: fetch LINK FOLDER\n");
        return 2;
    }
    KITH_INIT(add);
    add.link = argv[1];
    add.folder = argv[2];
    int err = kith_add(node, &add, &torrent);
    if (err != 0) {
        fprintf(stderr, "%s: %s\n", kith_last_error(node), kith_strerror(err));
        result = -1;
    }
    while (result == 0) {
        kith_run(node, 1000);
        result = take_events(node);
        show(torrent);
    }
    kith_close(node);
    return result == 1 ? 0 : 1;
}
