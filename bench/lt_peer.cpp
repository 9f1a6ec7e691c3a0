// libtorrent as a bare peer, for bench/run.py: seeds what it is given until it is told to stop, or
// fetches it and leaves. TCP alone, no encryption, no discovery: what is measured is the data path.
//   lt_peer seed TORRENT FOLDER PORT | lt_peer leech TORRENT FOLDER PORT
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/torrent_handle.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>
#include <memory>
#include <vector>

static volatile std::sig_atomic_t stop;
static void on_signal(int) { stop = 1; }

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    bool seed = std::strcmp(argv[1], "seed") == 0;
    std::signal(SIGTERM, on_signal);
    lt::settings_pack p;
    p.set_str(lt::settings_pack::listen_interfaces,
        seed ? std::string("127.0.0.1:") + argv[4] : "127.0.0.1:0");
    for (int off : {lt::settings_pack::enable_dht, lt::settings_pack::enable_lsd, lt::settings_pack::enable_upnp,
             lt::settings_pack::enable_natpmp, lt::settings_pack::enable_incoming_utp,
             lt::settings_pack::enable_outgoing_utp})
        p.set_bool(off, false);
    p.set_int(lt::settings_pack::out_enc_policy, lt::settings_pack::pe_disabled);
    p.set_int(lt::settings_pack::in_enc_policy, lt::settings_pack::pe_disabled);
    p.set_int(lt::settings_pack::alert_mask, lt::alert_category::status);
    lt::session session(lt::session_params{p});
    lt::add_torrent_params add;
    add.ti = std::make_shared<lt::torrent_info>(std::string(argv[2]));
    add.save_path = argv[3];
    if (seed)
        add.flags |= lt::torrent_flags::seed_mode;
    lt::torrent_handle torrent = session.add_torrent(add);
    if (!seed)
        torrent.connect_peer(lt::tcp::endpoint(lt::address_v4::loopback(), std::uint16_t(std::atoi(argv[4]))));
    std::vector<lt::alert *> alerts;
    while (!stop) {
        session.wait_for_alert(std::chrono::milliseconds(200));
        session.pop_alerts(&alerts);
        if (!seed && torrent.status().is_seeding)
            break;
    }
}
