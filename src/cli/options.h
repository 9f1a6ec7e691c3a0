/* Options that several commands have: each group is one table and one struct that it fills.
 *
 * To add an option: a field here, a line in options.c's table, and its use. Parser, help, man pages
 * and completions follow. */
#ifndef KITH_CLI_OPTIONS_H
#define KITH_CLI_OPTIONS_H

#include "cli/args.h"

/* How a command talks: every command has these. */
struct output_options {
    bool quiet, json;
    int verbose;
    int colour; /* enum term_colour */
};
extern const struct option_spec output_specs[];

/* How a node meets others: share and get. See session_open for what becomes of them. */
struct network_options {
    struct text_list peers;
    int64_t port, connections_max;
    struct text_list listen;
    const char *interface, *proxy, *block_list;
    uint64_t download_max, upload_max;
    int encryption; /* enum kith_encryption */
    bool no_lsd, no_port_mapping, no_utp, no_tcp, no_dht;
    struct text_list bootstrap; /* "none": none; empty: the well-known ones */
};
extern const struct option_spec network_specs[];

/* What is written into a torrent: share and create. */
struct torrent_options {
    struct text_list trackers, web_seeds;
    const char *comment, *source;
    uint64_t piece_length;
    int format; /* enum kith_format */
    bool is_private;
};
extern const struct option_spec torrent_specs[];
/* In bytes; 0: to be chosen. A small number is KiB, as transmission-create has it. */
uint32_t torrent_piece_length(const struct torrent_options *);

#endif
