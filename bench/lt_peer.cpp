// libtorrent as a bare peer, for bench/: seeds what it is given until it is told to stop, or fetches it
// and leaves. No discovery: what is measured is the data path. MODE: plain, rc4 or utp.
//   lt_peer seed MODE TORRENT FOLDER PORT | lt_peer leech MODE TORRENT FOLDER PORT SEEDER-PORT
//   lt_peer check TORRENT FOLDER          | lt_peer create v1|v2|hybrid PIECE-SIZE PATH
//   lt_peer version
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/bencode.hpp>
#include <libtorrent/create_torrent.hpp>
#include <libtorrent/file_storage.hpp>
#include <iterator>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/torrent_handle.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>
#include <libtorrent/version.hpp>
#include <memory>
#include <vector>

static volatile std::sig_atomic_t stop;
static void on_signal(int) { stop = 1; }

static lt::settings_pack settings(std::string const &mode, std::string const &port)
{
    lt::settings_pack p;
    bool utp = mode == "utp";
    p.set_str(lt::settings_pack::listen_interfaces, "127.0.0.1:" + port);
    for (int off : {lt::settings_pack::enable_dht, lt::settings_pack::enable_lsd, lt::settings_pack::enable_upnp,
             lt::settings_pack::enable_natpmp})
        p.set_bool(off, false);
    for (int which : {lt::settings_pack::enable_incoming_utp, lt::settings_pack::enable_outgoing_utp})
        p.set_bool(which, utp);
    for (int which : {lt::settings_pack::enable_incoming_tcp, lt::settings_pack::enable_outgoing_tcp})
        p.set_bool(which, !utp);
    int policy = mode == "rc4" ? lt::settings_pack::pe_forced : lt::settings_pack::pe_disabled;
    p.set_int(lt::settings_pack::out_enc_policy, policy);
    p.set_int(lt::settings_pack::in_enc_policy, policy);
    p.set_int(lt::settings_pack::allowed_enc_level, lt::settings_pack::pe_rc4);
    p.set_bool(lt::settings_pack::allow_multiple_connections_per_ip, true);
    p.set_int(lt::settings_pack::alert_mask, lt::alert_category::status);
    return p;
}

static int move(int argc, char **argv)
{
    bool seed = std::strcmp(argv[1], "seed") == 0, check = std::strcmp(argv[1], "check") == 0;
    int at = check ? 2 : 3;
    lt::session session(lt::session_params{settings(check ? "plain" : argv[2], check ? "0" : argv[5])});
    lt::add_torrent_params add;
    add.ti = std::make_shared<lt::torrent_info>(std::string(argv[at]));
    add.save_path = argv[at + 1];
    if (seed)
        add.flags |= lt::torrent_flags::seed_mode;
    lt::torrent_handle torrent = session.add_torrent(add);
    if (argc > 6)
        torrent.connect_peer(lt::tcp::endpoint(lt::address_v4::loopback(), std::uint16_t(std::atoi(argv[6]))));
    std::vector<lt::alert *> alerts;
    while (!stop) {
        session.wait_for_alert(std::chrono::milliseconds(200));
        session.pop_alerts(&alerts);
        if (!seed && torrent.status().is_seeding)
            break;
    }
    return 0;
}

static int create(char **argv)
{
    std::string path = argv[4];
    lt::create_flags_t kind = std::strcmp(argv[2], "v1") == 0 ? lt::create_torrent::v1_only
        : std::strcmp(argv[2], "v2") == 0                     ? lt::create_torrent::v2_only
                                                              : lt::create_flags_t{};
    lt::file_storage files;
    lt::add_files(files, path);
    lt::create_torrent t(files, std::atoi(argv[3]), kind);
    lt::set_piece_hashes(t, path.substr(0, path.rfind('/')));
    std::vector<char> out;
    lt::bencode(std::back_inserter(out), t.generate());
    return out.empty();
}

int main(int argc, char **argv)
{
    std::signal(SIGTERM, on_signal);
    if (argc == 2 && std::strcmp(argv[1], "version") == 0) {
        std::cout << lt::version() << '\n';
        return 0;
    }
    if (argc >= 4 && (std::strcmp(argv[1], "check") == 0 || argc >= 6))
        return move(argc, argv);
    return argc == 5 && std::strcmp(argv[1], "create") == 0 ? create(argv) : 2;
}
