/* The table behind env.h: what an implementation of the world provides (env/uv, env/sim). Only env/
 * includes this header, and node/net/proxy_udp.c, whose datagrams are carried by others of them.
 * Every handle of an implementation begins with `const struct env_ops *`, and so does struct env
 * itself: env.c dispatches through it, one line a call. */
#ifndef KITH_ENV_OPS_H
#define KITH_ENV_OPS_H

#include "env/env.h"

struct env_ops {
    usec (*now)(struct env *);
    int64_t (*time_unix)(struct env *);
    void (*random)(struct env *, void *, size_t);
    void (*wake_at)(struct env *, usec, void (*)(void *, usec), void *);

    int (*tcp_connect)(struct env *, const struct endpoint *, const struct env_tcp_options *,
        const struct env_tcp_events *, void *, struct env_tcp **);
    void (*tcp_set_events)(struct env_tcp *, const struct env_tcp_events *, void *);
    void (*tcp_want)(struct env_tcp *, bool, bool);
    void (*tcp_expect)(struct env_tcp *, size_t);
    ssize_t (*tcp_readv)(struct env_tcp *, const struct iovec *, int);
    ssize_t (*tcp_writev)(struct env_tcp *, const struct iovec *, int, bool);
    void (*tcp_local)(struct env_tcp *, struct endpoint *);
    void (*tcp_remote)(struct env_tcp *, struct endpoint *);
    void (*tcp_close)(struct env_tcp *);
    int (*tcp_listen)(struct env *, const struct endpoint *, const struct env_tcp_options *,
        void (*)(void *, struct env_tcp *, const struct endpoint *), void *,
        struct env_listener **);
    void (*listener_local)(struct env_listener *, struct endpoint *);
    void (*listener_close)(struct env_listener *);

    int (*udp_open)(struct env *, const struct endpoint *, const struct env_tcp_options *,
        void (*)(void *), void *, struct env_udp **);
    void (*udp_local)(struct env_udp *, struct endpoint *);
    int (*udp_receive)(struct env_udp *, struct env_datagram *, int);
    int (*udp_send)(struct env_udp *, const struct env_datagram *, int);
    void (*udp_bulk)(struct env_udp *);
    int (*udp_send_runs)(struct env_udp *, struct env_udp_run *, int);
    void (*udp_close)(struct env_udp *);

    int (*resolve_start)(struct env *, const char *, uint16_t,
        void (*)(void *, int, const struct endpoint *, size_t), void *, struct env_resolve **);
    void (*resolve_cancel)(struct env_resolve *);
    size_t (*local_addresses)(struct env *, struct endpoint *, size_t);
    size_t (*local_networks)(struct env *, struct env_network *, size_t);
    size_t (*gateways)(struct env *, struct endpoint *, size_t);
    unsigned (*device_index)(struct env *, const char *);
    size_t (*device_addresses)(struct env *, const char *, struct endpoint *, size_t);
    int (*network_watch_start)(struct env *, void (*)(void *), void *, struct env_network_watch **);
    void (*network_watch_stop)(struct env_network_watch *);

    int (*upnp_start)(struct env *, const struct env_upnp_request *,
        void (*)(void *, int, const struct env_upnp_result *), void *, struct env_upnp **);
    void (*upnp_cancel)(struct env_upnp *);

    int (*http_start)(struct env *, const struct env_http_request *, const struct env_http_events *,
        void *, struct env_http **);
    void (*http_cancel)(struct env_http *);
    void (*http_pause)(struct env_http *, bool);

    void (*submit)(struct env *, enum env_lane, struct env_job *);
    unsigned (*worker_count)(struct env *);
    void (*loop_wake)(struct env *);

    int (*dir_open)(struct env *, const char *, bool, struct env_dir **);
    int (*real_path)(struct env *, const char *, char **);
    void (*dir_close)(struct env_dir *);
    int (*dir_stat)(struct env_dir *, struct env_stat *);
    int (*dir_free_space)(struct env_dir *, uint64_t *);
    int (*dir_sync)(struct env_dir *, const char *);
    int (*file_open)(struct env_dir *, const char *, unsigned, struct env_file **);
    void (*file_close)(struct env_file *);
    int (*file_preadv)(struct env_file *, const struct iovec *, int, uint64_t);
    int (*file_pwritev)(struct env_file *, const struct iovec *, int, uint64_t);
    int (*file_sync)(struct env_file *);
    int (*file_stat)(struct env_file *, struct env_stat *);
    int (*file_truncate)(struct env_file *, uint64_t);
    int (*file_allocate)(struct env_file *, uint64_t, uint64_t);
    int (*file_set_executable)(struct env_file *);
    int (*file_warm)(struct env_file *, uint64_t, uint64_t);
    void (*file_ahead)(struct env_file *, uint64_t, uint64_t);
    bool (*file_is_warm)(struct env_file *, uint64_t, uint64_t);
    int (*file_map)(struct env_file *, uint64_t, size_t, struct env_mapping *);
    void (*unmap)(struct env_mapping *);
    int (*file_view)(struct env_file *, uint64_t, size_t, struct env_view *);
    int (*view_end)(struct env_view *);
    int (*file_next_data)(struct env_file *, uint64_t, uint64_t *, uint64_t *);
    int (*path_stat)(struct env_dir *, const char *, struct env_stat *);
    int (*path_rename)(struct env_dir *, const char *, struct env_dir *, const char *);
    int (*path_unlink)(struct env_dir *, const char *);
    int (*path_remove_folder)(struct env_dir *, const char *);
    int (*path_make_folder)(struct env_dir *, const char *);
    int (*path_symlink)(struct env_dir *, const char *, const char *);
    int (*path_readlink)(struct env_dir *, const char *, char *, size_t);
    int (*path_list)(
        struct env_dir *, const char *, bool (*)(void *, const char *, enum env_entry), void *);
};

#endif
