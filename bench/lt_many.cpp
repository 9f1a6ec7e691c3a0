// libtorrent with many idle seeds, for bench/: the same torrents as many.c's, as a client keeps them:
// resume data of each with its metadata, here in one file, so that reading it costs the least.
//   lt_many make FOLDER COUNT | lt_many run FOLDER SECONDS
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/hasher.hpp>
#include <libtorrent/read_resume_data.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/write_resume_data.hpp>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <fcntl.h>
#include <vector>

namespace {

constexpr int size = 65536;

double now(clockid_t clock)
{
    timespec t;
    clock_gettime(clock, &t);
    return double(t.tv_sec) + double(t.tv_nsec) / 1e9;
}

long anonymous_kb()
{
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.rfind("RssAnon:", 0) == 0)
            return std::atol(line.c_str() + 8);
    return 0;
}

std::string torrent_of(std::string const &name)
{
    static std::string const zeros(size, '\0');
    lt::sha1_hash const digest = lt::hasher(zeros).final();
    return "d4:infod6:lengthi" + std::to_string(size) + "e4:name" + std::to_string(name.size()) + ":" + name +
        "12:piece lengthi" + std::to_string(size) + "e6:pieces20:" + digest.to_string() + "ee";
}

std::string state_file(std::string const &folder) { return folder + "/lt_state"; }

int make(std::string const &folder, int count)
{
    std::string const data = folder + "/data";
    mkdir(folder.c_str(), 0755);
    mkdir(data.c_str(), 0755);
    std::ofstream out(state_file(folder), std::ios::binary);
    for (int i = 0; i < count; i++) {
        char name[32];
        std::snprintf(name, sizeof name, "%06d.bin", i);
        int const fd = open((data + "/" + name).c_str(), O_CREAT | O_WRONLY, 0644);
        if (fd < 0 || ftruncate(fd, size) != 0)
            return 1;
        close(fd);
        std::string const torrent = torrent_of(name);
        lt::add_torrent_params p;
        p.ti = std::make_shared<lt::torrent_info>(torrent, lt::from_span);
        p.info_hashes = p.ti->info_hashes();
        p.save_path = data;
        p.flags = lt::torrent_flags_t{};
        p.have_pieces.resize(1, true);
        p.total_uploaded = p.total_downloaded = 0;
        std::vector<char> const record = lt::write_resume_data_buf(p);
        std::uint32_t const length = std::uint32_t(record.size());
        out.write(reinterpret_cast<char const *>(&length), sizeof length);
        out.write(record.data(), length);
    }
    return out.good() ? 0 : 1;
}

lt::session_params params()
{
    lt::settings_pack p;
    p.set_str(lt::settings_pack::listen_interfaces, "127.0.0.1:0");
    for (int off : {lt::settings_pack::enable_dht, lt::settings_pack::enable_lsd, lt::settings_pack::enable_upnp,
             lt::settings_pack::enable_natpmp})
        p.set_bool(off, false);
    p.set_int(lt::settings_pack::alert_mask, lt::alert_category::status | lt::alert_category::storage);
    p.set_int(lt::settings_pack::alert_queue_size, 1000000);
    return lt::session_params(p);
}

int add_all(lt::session &session, std::string const &folder)
{
    std::ifstream in(state_file(folder), std::ios::binary);
    std::vector<char> const all{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    int count = 0;
    for (std::size_t at = 0; at + 4 <= all.size(); count++) {
        std::uint32_t length;
        std::memcpy(&length, &all[at], sizeof length);
        lt::add_torrent_params p = lt::read_resume_data({&all[at + 4], long(length)});
        p.save_path = folder + "/data";
        p.flags = lt::torrent_flags_t{};
        session.async_add_torrent(std::move(p));
        at += 4 + length;
    }
    return count;
}

// Torrents that became seeds, by the alerts that came.
int seeds_among(std::vector<lt::alert *> const &alerts)
{
    int count = 0;
    for (lt::alert *a : alerts)
        if (auto const *changed = lt::alert_cast<lt::state_changed_alert>(a))
            count += changed->state == lt::torrent_status::seeding;
    return count;
}

void save_all(lt::session &session)
{
    int waiting = 0;
    std::vector<lt::alert *> alerts;
    for (lt::torrent_handle const &h : session.get_torrents()) {
        h.save_resume_data(lt::torrent_handle::only_if_modified);
        waiting++;
    }
    while (waiting > 0) {
        session.wait_for_alert(std::chrono::seconds(1));
        session.pop_alerts(&alerts);
        for (lt::alert *a : alerts)
            waiting -= a->type() == lt::save_resume_data_alert::alert_type ||
                a->type() == lt::save_resume_data_failed_alert::alert_type;
    }
}

int run(std::string const &folder, int idle_seconds)
{
    double begun = now(CLOCK_MONOTONIC);
    auto session = std::make_unique<lt::session>(params());
    int const count = add_all(*session, folder);
    std::vector<lt::alert *> alerts;
    for (int ready = 0; ready < count;) {
        session->wait_for_alert(std::chrono::seconds(1));
        session->pop_alerts(&alerts);
        ready += seeds_among(alerts);
    }
    double const opened = now(CLOCK_MONOTONIC) - begun;
    double const cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    for (double const from = now(CLOCK_MONOTONIC); now(CLOCK_MONOTONIC) - from < idle_seconds;) {
        session->wait_for_alert(std::chrono::milliseconds(500));
        session->pop_alerts(&alerts);
    }
    double const idle = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    long const kb = anonymous_kb();
    begun = now(CLOCK_MONOTONIC);
    save_all(*session);
    session.reset();
    std::printf("{\"torrents\": %d, \"seeding\": %d, \"ready_s\": %.3f, \"anonymous_bytes_each\": %.0f, "
                "\"idle_cpu_percent\": %.3f, \"stop_s\": %.3f}\n",
        count, count, opened, double(kb) * 1024 / count, idle / idle_seconds * 100, now(CLOCK_MONOTONIC) - begun);
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc == 4 && std::strcmp(argv[1], "make") == 0)
        return make(argv[2], std::atoi(argv[3]));
    if (argc == 4 && std::strcmp(argv[1], "run") == 0)
        return run(argv[2], std::atoi(argv[3]));
    std::fputs("lt_many make FOLDER COUNT | lt_many run FOLDER SECONDS\n", stderr);
    return 2;
}
