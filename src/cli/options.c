/* See options.h. */
#include "cli/options.h"

#define AT(field) offsetof(struct output_options, field)
const struct option_spec output_specs[] = {
    {0, "json", NULL, OPTION_FLAG, AT(json), "one JSON object a line on standard output"},
    {'q', "quiet", NULL, OPTION_FLAG, AT(quiet), "nothing but the result and errors"},
    {'v', "verbose", NULL, OPTION_COUNT, AT(verbose), "say more; twice: much more"},
    {0, "color", "auto|always|never", OPTION_CHOICE, AT(colour), "colours (auto)", "colour"},
    {'h', "help", NULL, OPTION_HELP, 0, "this text"},
    {0},
};
#undef AT

#define AT(field) offsetof(struct network_options, field)
const struct option_spec network_specs[] = {
    {'p', "peer", "HOST:PORT", OPTION_LIST, AT(peers), "also meet this peer (repeat for more)"},
    {'P', "port", "PORT", OPTION_NUMBER, AT(port), "listen on this port (any)", .max = 65535},
    {0, "listen", "ADDRESS|IFACE", OPTION_LIST, AT(listen),
        "listen on this address or interface only (repeat for more)"},
    {0, "interface", "IFACE|ADDRESS", OPTION_TEXT, AT(interface),
        "everything leaves by this interface or address, or not at all; names are not looked up"},
    {0, "proxy", "URL", OPTION_TEXT, AT(proxy),
        "everything leaves by this proxy, or not at all: socks5://, http://"},
    {0, "block-list", "FILE", OPTION_TEXT, AT(block_list),
        "addresses to have nothing to do with: .dat, P2P, CIDR, also .gz"},
    {0, "download", "RATE", OPTION_SIZE, AT(download_max), "take at most so many bytes a second"},
    {0, "upload", "RATE", OPTION_SIZE, AT(upload_max), "send at most so many bytes a second"},
    {0, "connections", "N", OPTION_NUMBER, AT(connections_max),
        "have at most so many peers at a time (200)", .min = 1, .max = 10000},
    {0, "no-lsd", NULL, OPTION_FLAG, AT(no_lsd), "do not look for peers on the local network"},
    {0, "no-dht", NULL, OPTION_FLAG, AT(no_dht), "do without the DHT"},
    {0, "bootstrap", "HOST:PORT", OPTION_LIST, AT(bootstrap),
        "begin in the DHT with this node ('none': with none; repeat for more)"},
    {0, "no-utp", NULL, OPTION_FLAG, AT(no_utp), "TCP only"},
    {0, "no-tcp", NULL, OPTION_FLAG, AT(no_tcp), "uTP only"},
    {0, "no-port-mapping", NULL, OPTION_FLAG, AT(no_port_mapping),
        "do not ask the router for a port"},
    {0, "encryption", "prefer|require|off", OPTION_CHOICE, AT(encryption),
        "of connections (prefer)"},
    {0},
};
#undef AT

#define AT(field) offsetof(struct torrent_options, field)
const struct option_spec torrent_specs[] = {
    {'t', "tracker", "URL", OPTION_LIST, AT(trackers),
        "announce to it; 'URL,URL' are one tier (repeat for more)", "announce", 'a'},
    {'w', "web-seed", "URL", OPTION_LIST, AT(web_seeds), "also served at this address (BEP 19)",
        "webseed"},
    {'p', "private", NULL, OPTION_FLAG, AT(is_private), "peers only from the trackers (BEP 27)"},
    {'s', "piece-size", "SIZE", OPTION_SIZE, AT(piece_length),
        "16K to 512M, a power of two; chosen if not given", "piece-length|piecesize"},
    {0, "format", "hybrid|v1|v2", OPTION_CHOICE, AT(format), "kind of torrent (hybrid)"},
    {'c', "comment", "TEXT", OPTION_TEXT, AT(comment), "a comment in the torrent"},
    {'r', "source", "TEXT", OPTION_TEXT, AT(source), "a source tag; changes the info-hash"},
    {0},
};
#undef AT

#define PIECE_LENGTH_MIN 16384u

uint32_t torrent_piece_length(const struct torrent_options *o)
{
    uint64_t length = o->piece_length < PIECE_LENGTH_MIN ? o->piece_length * 1024 : o->piece_length;
    return length > UINT32_MAX ? UINT32_MAX : (uint32_t)length; /* no power of two: refused */
}
