#!/usr/bin/python3
"""uTP with real peers over lines that delay, lose, reorder and queue; content compared byte for byte.

    tests/interop/utp.py KITH LINK [lines | queues | NAME...]

LINK is tests/net/link, the line. Needs root: the ends are namespaces. Nobody speaks TCP here. Peers: libtorrent
2.0.8 (python3-libtorrent), transmission-daemon (libutp)."""
import filecmp
import json
import os
import subprocess
import sys

from netns import Failure, Network, Program, bare, fill, main, until

KITH = os.path.abspath(sys.argv[1])
LINK = os.path.abspath(sys.argv[2])
A, B = "10.8.0.1", "10.8.0.2"  # the sharer's end, the fetcher's end
PORT = 7000
TARGET_MS = 100  # LEDBAT's
MARGIN_MS = 50
AT_ONCE = 4  # lines; each waits more than it computes


class Line(Network):
    """Two hosts and a line between them."""

    def __init__(self, size, **line):
        super().__init__("utp")
        self.size, self.line_settings, self.line = size, line, None

    def __enter__(self):
        self.host("a", "b")
        argv = [LINK, self.full("a"), self.full("b")]
        for name, value in self.line_settings.items():
            argv += ["--" + name.replace("_", "-"), str(value)]
        self.line = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        if self.line.stdout.readline() != "ready\n":
            raise Failure("the line is not there")
        for host, address in (("a", A), ("b", B)):
            self.address(host, "line0", address + "/24")
            self.ip(host, "link", "set", "line0", "up")
        self.source = self.work / "source" / "film.bin"
        fill(self.source, self.size, 7)
        self.got = self.work / "got"
        self.got.mkdir()
        return self

    def close(self):
        super().close()
        if self.line:
            self.line.kill()
            self.line.wait()

    def report(self):
        """What went from a to b."""
        self.line.terminate()
        return json.loads(self.line.communicate()[0].splitlines()[0])

    def compare(self):
        if not filecmp.cmp(self.source, self.got / "film.bin", shallow=False):
            raise Failure("the data differs")

    def torrent(self):
        path = self.work / "film.torrent"
        subprocess.run([KITH, "create", "-q", "--format", "v1", "-o", str(path), str(self.source)], check=True)
        return path


# ---- peers --------------------------------------------------------------------------------------------


def kith_share(net):
    """Its link, with the address in it."""
    share = Program(net, "a", KITH, "share", "--no-tcp", "--no-lsd", "--listen", A, "--port", str(PORT), str(net.source))
    return bare(share.line())


def kith_seed(net, torrent, *options):
    """Of data that stands there already."""
    seed = Program(
        net, "a", KITH, "get", "--no-tcp", "--no-lsd", "--listen", A, "--port", str(PORT), *options,
        "-o", str(net.source.parent), str(torrent),
    )
    until("kith shares it", lambda: "verified" in seed.text() or "sharing" in seed.text())


def kith_get(net, what):
    return Program(
        net, "b", KITH, "get", "--exit", "--no-tcp", "--no-lsd", "--listen", B, "-p", f"{A}:{PORT}", "-o", str(net.got), str(what)
    )


def lt_peer(net, host, role, folder, torrent):
    mine = A if host == "a" else B
    return Program(net, host, sys.executable, os.path.abspath(__file__), "--libtorrent", role, str(torrent), str(folder), mine)


def libtorrent_main(role, torrent, folder, mine):
    """This file again, in a namespace: a peer that seeds until it is killed, or fetches and ends."""
    import libtorrent as lt

    session = lt.session({
        "listen_interfaces": f"{mine}:{PORT}", "enable_dht": False, "enable_lsd": False, "enable_upnp": False,
        "enable_natpmp": False, "enable_outgoing_tcp": False, "enable_incoming_tcp": False,
        # By default it falls silent for good, without a reset, when one packet was lost three times: at 5 % of loss
        # that ends one transfer in thirty.
        "utp_num_resends": 10,
    })
    params = {"ti": lt.torrent_info(torrent), "save_path": folder}
    if role == "seed":
        params["flags"] = lt.torrent_flags.seed_mode
    handle = session.add_torrent(params)
    handle.unset_flags(lt.torrent_flags.auto_managed)
    handle.resume()
    if role == "get":
        handle.connect_peer((A, PORT))
    until("libtorrent is ready", lambda: handle.status().state == lt.torrent_status.seeding or role == "get")
    print("ready", flush=True)
    until("libtorrent has it", lambda: role == "get" and handle.status().is_seeding, 600)
    handle.save_resume_data(lt.torrent_handle.flush_disk_cache)
    until("libtorrent has written it", lambda: any(isinstance(a, lt.save_resume_data_alert) for a in session.pop_alerts()))


def transmission(net, host, folder, torrent):
    """The daemon in its namespace; what transmission-remote says there."""
    Program(
        net, host, "transmission-daemon", "-f", "-g", str(net.work / "transmission"), "-w", str(folder), "-p", "9091",
        "-P", str(PORT), "--utp", "--no-portmap", "--no-dht", "--no-lpd", "--no-auth", "-a", "127.0.0.1",
        "--encryption-preferred",
    )

    def remote(*options):
        argv = ["ip", "netns", "exec", net.full(host), "transmission-remote", "127.0.0.1:9091", *options]
        done = subprocess.run(argv, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else ""

    until("transmission runs", lambda: remote("-l"))
    remote("-a", str(torrent))
    return remote


def has_all(remote):
    return "Percent Done: 100%" in remote("-t", "1", "-i")


# ---- both directions ------------------------------------------------------------------------------------


def kith_from_kith(size, **line):
    with Line(size, **line) as net:
        kith_get(net, kith_share(net)).wait()
        net.compare()
        return net.report()


def kith_from_libtorrent(size, **line):
    with Line(size, **line) as net:
        torrent = net.torrent()
        lt_peer(net, "a", "seed", net.source.parent, torrent).line()
        kith_get(net, torrent).wait()
        net.compare()
        return net.report()


def libtorrent_from_kith(size, **line):
    with Line(size, **line) as net:
        torrent = net.torrent()
        kith_seed(net, torrent)
        lt_peer(net, "b", "get", net.got, torrent).wait()
        net.compare()
        return net.report()


def kith_from_transmission(size, **line):
    with Line(size, **line) as net:
        torrent = net.torrent()
        remote = transmission(net, "a", net.source.parent, torrent)
        until("transmission has checked it", lambda: has_all(remote))
        kith_get(net, torrent).wait()
        net.compare()
        return net.report()


def transmission_from_kith(size, **line):
    # Transmission 3.00 does not read addresses out of links: kith goes to it.
    with Line(size, **line) as net:
        torrent = net.torrent()
        remote = transmission(net, "b", net.got, torrent)
        kith_seed(net, torrent, "-p", f"{B}:{PORT}")
        until("transmission has it", lambda: has_all(remote))
        net.compare()
        return net.report()


def short(report):
    return "{packets} packets, {lost} lost, {late} late, queue {wait_mean_ms} ms on average".format(**report)


def over(exchange, size, **line):
    return lambda: short(exchange(size, **line))


# ---- the queue ------------------------------------------------------------------------------------------


def keeps_the_queue_short(exchange):
    """Half a second of buffer, which TCP would fill: LEDBAT keeps it near its target and the line busy."""

    def case():
        size, rate = 24_000_000, 2_000_000
        report = exchange(size, rate=rate, queue=rate // 2, delay=15)
        if report["wait_p95_ms"] > TARGET_MS + MARGIN_MS:
            raise Failure(f"the queue is too long: {report}")
        if report["dropped"] > 0:
            raise Failure(f"the queue was full: {report}")
        return "{wait_mean_ms} ms on average, {wait_p95_ms} at the 95th percentile, at most {wait_max_ms}".format(**report)

    return case


BAD = {"rate": 4_000_000, "queue": 400_000, "delay": 50, "loss": 5, "reorder": 5, "reorder_delay": 20}
FAIR = {"rate": 4_000_000, "queue": 400_000, "delay": 5, "loss": 1, "reorder": 2, "reorder_delay": 10}
FAR = {"rate": 4_000_000, "queue": 800_000, "delay": 100}

EXCHANGES = (kith_from_kith, kith_from_libtorrent, libtorrent_from_kith, kith_from_transmission, transmission_from_kith)
LINES = {f"{e.__name__} over a bad line": over(e, 400_001, **BAD) for e in EXCHANGES}
LINES.update({f"{e.__name__} over a fair line": over(e, 4_000_001, **FAIR) for e in EXCHANGES})
LINES.update({f"{e.__name__} over a long line": over(e, 3_000_001, **FAR) for e in EXCHANGES})
# Milliseconds are measured: nothing else should run meanwhile.
QUEUES = {
    "kith to kith keeps the queue short": keeps_the_queue_short(kith_from_kith),
    "kith to libtorrent keeps the queue short": keeps_the_queue_short(libtorrent_from_kith),
}


def run_wanted(words):
    """The exit code."""
    lines = [name for name in LINES if not words or "lines" in words or name in words]
    queues = [name for name in QUEUES if not words or "queues" in words or name in words]
    bad = main(LINES, lines, AT_ONCE) if lines else 0
    return (main(QUEUES, queues) if queues else 0) or bad


if __name__ == "__main__":
    if sys.argv[1] == "--libtorrent":
        sys.exit(libtorrent_main(*sys.argv[2:]))
    sys.exit(run_wanted(sys.argv[3:]))
