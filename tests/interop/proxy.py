#!/usr/bin/python3
"""What leaves a machine that has two ways out, and was told to use one of them.

    tests/interop/proxy.py KITH [NAME...]

Needs root: the machines are namespaces. `user` has a tunnel (tun0) and a plain line (eth0) with the
default route and the name server on it. Everything that it sends over the plain line is counted on
the line's other end: the number must be 0, also while the tunnel goes away and comes back. Behind
the tunnel stand a sharer, servers, and a proxy that alone leads to a far network.

    user --tun0-- [tunnel 10.1.0/24] -- sharer .3, servers .4, proxy .9
      '---eth0--- [plain  10.2.0/24] -- gateway .1               '---- [far 10.3.0/24] -- .3, .4"""
import ctypes
import filecmp
import gzip
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

from netns import Failure, Network, Program, fill, main, run, until

KITH = os.path.abspath(sys.argv[1])
WORLD = str(pathlib.Path(__file__).with_name("proxy_world.py"))
SIZE = 3_000_001
SECONDS = 40
AT_ONCE = 4  # they wait for slow lines, and for silence
SO_RCVBUFFORCE = 33
SLOW = ["--download", "400K"]


# ---- what is on a line --------------------------------------------------------------------------

def in_namespace(name, make):
    """The result of make(), made in the namespace: a socket stays where it was opened."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as here, open(f"/run/netns/{name}") as there:
        if libc.setns(there.fileno(), 0x40000000) != 0:
            raise Failure(f"setns: {os.strerror(ctypes.get_errno())}")
        try:
            return make()
        finally:
            libc.setns(here.fileno(), 0x40000000)


class Tap:
    """Frames that come out of a machine's device, as the far end of its cable sees them."""

    def __init__(self, net, host, device):
        self.source = re.search(r"link/ether (\S+)", net.ip(host, "link", "show", device)).group(1)
        self.source = bytes.fromhex(self.source.replace(":", ""))
        switch = "plain" if device == "eth0" else "tunnel"

        def make():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            s.setblocking(False)
            return s

        self.socket = in_namespace(net.full(switch), make)

    def frames(self):
        """Those since the last call."""
        found = []
        while True:
            try:
                frame = self.socket.recv(65536)
            except BlockingIOError:
                return found
            if frame[6:12] == self.source:
                found.append(frame)


def describe(frame):
    kind = frame[12:14].hex()
    if kind == "0800":
        flags = f" flags {frame[47]:02x}" if frame[23] == 6 else ""
        return f"IPv4 protocol {frame[23]}{flags} to {socket.inet_ntoa(frame[30:34])}"
    if kind == "86dd":
        return f"IPv6 next {frame[20]} to {socket.inet_ntop(socket.AF_INET6, frame[38:54])}"
    return f"ethertype {kind}"


def settle(tap):
    """Waits until the kernel has said what it says of a new line by itself."""
    quiet = time.monotonic()
    while time.monotonic() - quiet < 2.5:
        if tap.frames():
            quiet = time.monotonic()
        time.sleep(0.05)


def must_be_silent(tap):
    frames = tap.frames()
    if frames:
        kinds = ", ".join(sorted({describe(f) for f in frames}))
        raise Failure(f"{len(frames)} packets on the plain line: {kinds}")


# ---- the machines -------------------------------------------------------------------------------

class World(Network):
    def __init__(self):
        super().__init__("proxy")

    def __enter__(self):
        for name in ("tunnel", "plain", "far"):
            self.switch(name)
        self.host("user", "sharer", "servers", "proxy", "gateway")
        # The kernel itself is to say nothing.
        self.sysctl("user", "net.ipv6.conf.default.router_solicitations=0")
        self.plug("user", "plain", "eth0", "10.2.0.2/24", "fd02::2/64")
        self.plug("user", "tunnel", "tun0", "10.1.0.2/24", "fd01::2/64")
        self.plug("gateway", "plain", "eth0", "10.2.0.1/24", "fd02::1/64")
        self.ip("user", "route", "add", "default", "via", "10.2.0.1")
        self.ip("user", "route", "add", "default", "via", "fd02::1")
        for host, number in (("sharer", 3), ("servers", 4), ("proxy", 9)):
            self.plug(host, "tunnel", "eth0", f"10.1.0.{number}/24", f"fd01::{number}/64")
            self.plug(host, "far", "eth1", f"10.3.0.{number}/24")
        # Who has a default route elsewhere would answer there.
        self.names("user", "resolv.conf", "nameserver 10.2.0.1\n")
        self.names("user", "hosts", "127.0.0.1 localhost\n")
        self.names("proxy", "hosts", "127.0.0.1 localhost\n10.3.0.4 tracker.test files.test\n")
        self.film = self.work / "files" / "film.bin"
        fill(self.film, SIZE, 9)
        self.program("gateway", "dns")
        self.plain = Tap(self, "user", "eth0")
        settle(self.plain)
        return self

    def close(self):
        for host in self.hosts:
            shutil.rmtree(f"/etc/netns/{self.full(host)}", ignore_errors=True)
        super().close()

    def names(self, host, file, text):
        """`ip netns exec` puts these files in the place of /etc's."""
        folder = pathlib.Path("/etc/netns") / self.full(host)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)

    def program(self, host, *argv):
        p = Program(self, host, sys.executable, WORLD, *argv)
        if p.line() != "ready":
            raise Failure(f"{argv[0]} does not start")
        p.heard = []
        return p

    def share(self, network="10.1.0", *options):
        """A share, and its link with the sharer's address on that network alone."""
        self.sharer = Program(self, "sharer", KITH, "share", "-q", str(self.film), "-P", "7777", *options)
        link = re.sub(r"&x\.pe=[^&]*", "", self.sharer.line())
        return link + f"&x.pe={network}.3:7777"

    def get(self, link, *options, env=None):
        self.folder = self.work / "got"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        if env:
            os.environ.update(env)
        try:
            return Program(self, "user", KITH, "get", "-v", link, "-o", str(self.folder), "--exit", *options)
        finally:
            for name in env or {}:
                del os.environ[name]

    def must_have_got(self, fetch, seconds=SECONDS):
        fetch.wait(seconds)
        if not filecmp.cmp(self.film, self.folder / "film.bin", shallow=False):
            raise Failure("the data differs")

    def progress(self):
        part = self.folder / "film.bin"
        return os.stat(part).st_blocks * 512 if part.exists() else 0


def lines(program):
    """What one of proxy_world's has said since."""
    fd = program.process.stdout.fileno()
    os.set_blocking(fd, False)
    try:
        text = os.read(fd, 1 << 20).decode()
    except BlockingIOError:
        text = ""
    program.heard += text.splitlines()
    return program.heard


def heard(program, pattern):
    return any(re.search(pattern, line) for line in lines(program))


def expect(program, *patterns):
    for pattern in patterns:
        until(f"'{pattern}' at {program.name}", lambda: heard(program, pattern), 15)


# ---- by interface -------------------------------------------------------------------------------

def without_a_binding_the_plain_line_is_used():
    """The control: the tap sees what there is to see."""
    with World() as w:
        w.program("servers", "servers", str(w.film.parent), "-")
        link = w.share() + "&tr=http://tracker.test:7000/announce&tr=udp://tracker.test:7001/announce"
        w.must_have_got(w.get(link))
        kinds = {describe(f) for f in w.plain.frames()}
        if not any("17 to 10.2.0.1" in k for k in kinds):
            raise Failure(f"no question of names was seen: {kinds}")
        return f"seen: {len(kinds)} kinds of packets"


EVERYTHING = ("&tr=http://10.1.0.4:7000/announce&tr=udp://10.1.0.4:7001/announce"
              "&tr=http://tracker.test:7000/announce&tr=udp://tracker.test:7001/announce"
              "&ws=http://10.1.0.4:7002/moved/film.bin&ws=http://files.test:7002/film.bin"
              "&x.pe=10.3.0.3:7777&x.pe=[fd01::3]:7777&x.pe=[2001:db8::3]:7777")


def bound_to(what):
    with World() as w:
        servers = w.program("servers", "servers", str(w.film.parent), "-")
        fetch = w.get(w.share() + EVERYTHING, *SLOW, "--interface", what)
        expect(servers, r"http 10\.1\.0\.2 \S+ /announce", r"udp 10\.1\.0\.2 announce",
               r"http 10\.1\.0\.2 \S+ /film.bin")
        w.must_have_got(fetch)
        must_be_silent(w.plain)
        return "trackers, web seed and peers by the tunnel, 0 packets by the plain line"


def bound_to_an_interface():
    return bound_to("tun0")


def bound_to_an_address():
    return bound_to("10.1.0.2")


def a_tunnel_that_goes_and_comes_back():
    with World() as w:
        fetch = w.get(w.share() + EVERYTHING, *SLOW, "--interface", "tun0")
        until("data", lambda: w.progress() > 0)
        w.ip("user", "link", "set", "tun0", "down")
        time.sleep(3)
        w.ip("user", "link", "set", "tun0", "up")
        w.address("user", "tun0", "fd01::2/64")
        w.must_have_got(fetch, 120)
        must_be_silent(w.plain)
        return "0 packets by the plain line"


def a_tunnel_that_is_made_anew():
    """As VPN clients do: the interface is deleted, and another gets its name. The first sharer takes
    us for connected still, for as long as TCP's silence lasts: a second one comes. Only peers to whom
    the tunnel is the route: what the kernel itself answers for a connection that is gone (a reset)
    follows the routing table and no binding. See docs/architecture.md."""
    with World() as w:
        w.ip("user", "link", "del", "tun0")
        link = w.share() + EVERYTHING.replace("&x.pe=10.3.0.3:7777", "") + "&x.pe=10.1.0.4:7777"
        fetch = w.get(link, *SLOW, "--interface", "tun0")
        until("the reason is shown", lambda: "waiting for the interface tun0" in fetch.text())
        w.plug("user", "tunnel", "tun0", "10.1.0.2/24", "fd01::2/64")
        until("data", lambda: w.progress() > 0)
        w.ip("user", "link", "del", "tun0")
        second = Program(w, "servers", KITH, "share", "-q", str(w.film), "-P", "7777")
        second.line()
        w.plug("user", "tunnel", "tun0", "10.1.0.2/24", "fd01::2/64")
        w.must_have_got(fetch, 120)
        must_be_silent(w.plain)
        return "started without it, lost it, went on; 0 packets by the plain line"


def a_sharer_behind_its_tunnel():
    """Listens, announces and tells its addresses on the tunnel alone."""
    with World() as w:
        share = Program(w, "user", KITH, "share", "-q", str(w.film), "--interface", "tun0", "-P", "7777")
        link = share.line()
        if "10.2.0.2" in link or "fd02::2" in link or "10.1.0.2:7777" not in link:
            raise Failure(f"the link tells of the plain line: {link}")
        sockets = w.on("user", "ss", "-Hlnut")
        if "10.2.0.2" in sockets:
            raise Failure(sockets)
        folder = w.work / "got"
        folder.mkdir()
        fetch = Program(w, "sharer", KITH, "get", link, "-o", str(folder), "--exit")
        fetch.wait(SECONDS)
        must_be_silent(w.plain)
        refused = subprocess.run(["ip", "netns", "exec", w.full("gateway"), sys.executable, "-c",
                                  "import socket; socket.create_connection(('10.2.0.2', 7777), 3)"],
                                 stderr=subprocess.DEVNULL, check=False)
        if refused.returncode == 0:
            raise Failure("it takes connections on the plain line")
        return "link, listener and data on the tunnel only"


# ---- by proxy -----------------------------------------------------------------------------------

PROXIED = ("&tr=http://tracker.test:7000/announce&tr=udp://tracker.test:7001/announce"
           "&ws=http://files.test:7002/moved/film.bin&x.pe=10.1.0.3:7777&x.pe=[2001:db8::3]:7777")


def only_to_the_proxy(w, tap):
    """Nothing on the tunnel is for anybody but the proxy, save the kernel's own neighbour talk."""
    for frame in tap.frames():
        if frame[12:14] == b"\x08\x00" and frame[30:34] != socket.inet_aton("10.1.0.9"):
            raise Failure(f"not for the proxy: {describe(frame)}")
        if frame[12:14] == b"\x86\xdd" and frame[20] not in (0, 58):
            raise Failure(f"not for the proxy: {describe(frame)}")
    must_be_silent(w.plain)


def proxied(w, datagrams, proxy, *options, env=None):
    """A download, everything of which passes the proxy."""
    tap = Tap(w, "user", "tun0")
    settle(tap)
    w.plain.frames()
    servers = w.program("servers", "servers", str(w.film.parent), "10.3.0.3:7777")
    link = w.share("10.3.0") + PROXIED
    fetch = w.get(link, *SLOW, *(["--proxy", proxy] if proxy else []), *options, env=env)
    expect(servers, r"http 10\.3\.0\.9 tracker.test:7000 /announce",
           r"http 10\.3\.0\.9 files.test:7002 /film.bin")
    if datagrams:
        expect(servers, r"udp 10\.3\.0\.9 announce")
    w.must_have_got(fetch)
    only_to_the_proxy(w, tap)
    return fetch


def socks5_with_a_login():
    with World() as w:
        proxy = w.program("proxy", "socks5", "1080", "ana", "pass word")
        fetch = proxied(w, True, None, env={"KITH_PROXY": "socks5://ana:pass%20word@10.1.0.9"})
        expect(proxy, "connect name tracker.test 7000", "datagram name tracker.test 7001",
               "connect address 10.3.0.3 7777")
        if "pass word" in fetch.text() or "pass%20word" in fetch.text():
            raise Failure("the password is told")
        return "TCP, UDP and names through it; nothing beside it"


DANTE = "socks5://10.1.0.9:1080"


def start_dante(w):
    config = w.work / "danted.conf"
    config.write_text("""logoutput: stderr
internal: eth0 port = 1080
external: eth1
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 protocol: tcp udp }
""")
    Program(w, "proxy", "danted", "-f", str(config))
    listening(w, 1080)


def dante():
    """The SOCKS5 server that Debian has."""
    with World() as w:
        start_dante(w)
        proxied(w, True, DANTE)
        return "TCP, UDP and names through it; nothing beside it"


def kith_on(w, *words):
    """One command of the user's `kith dht` through the proxy; what it prints."""
    return w.on("user", KITH, "dht", *words, "-q", "--proxy", DANTE, "--bootstrap", "10.3.0.4:6881")


def the_dht_through_a_proxy():
    """A link of nothing but a hash, an item and an announce: every datagram of it passes the proxy."""
    with World() as w:
        start_dante(w)
        other = w.work / "other.bin"
        fill(other, 10_000, 3)
        Program(w, "servers", KITH, "share", "-q", str(other), "-P", "6881", "--bootstrap", "none").line()
        link = w.share("10.3.0", "--bootstrap", "10.3.0.4:6881")
        tap = Tap(w, "user", "tun0")
        settle(tap)
        w.plain.frames()
        w.must_have_got(w.get(link.split("&")[0], "--proxy", DANTE, "--bootstrap", "10.3.0.4:6881"), 2 * SECONDS)
        target = re.search("target (\w+)", kith_on(w, "put", "through the proxy")).group(1)
        if kith_on(w, "get", target) != "through the proxy":
            raise Failure("the item is not read")
        swarm = "7" * 40
        kith_on(w, "peers", swarm, "--announce", "5000")
        if "10.3.0.9:5000" not in kith_on(w, "peers", swarm):
            raise Failure("the announce did not come from the proxy")
        only_to_the_proxy(w, tap)
        return "found, fetched, put, got and announced; nothing beside it"


def utp_through_a_proxy():
    with World() as w:
        start_dante(w)
        tap = Tap(w, "user", "tun0")
        settle(tap)
        w.plain.frames()
        w.must_have_got(w.get(w.share("10.3.0"), "--proxy", DANTE, "--no-tcp"))
        only_to_the_proxy(w, tap)
        return "with --no-tcp; nothing beside it"


def tinyproxy():
    """HTTP CONNECT with a login. No datagrams: nothing is sent over UDP at all."""
    with World() as w:
        config = w.work / "tinyproxy.conf"
        config.write_text("Port 8888\nListen 10.1.0.9\nAllow 0.0.0.0/0\nBasicAuth ana secret\n"
                          "Timeout 600\nMaxClients 100\n")
        Program(w, "proxy", "tinyproxy", "-d", "-c", str(config))
        listening(w, 8888)
        proxied(w, False, "http://ana:secret@10.1.0.9:8888")
        return "TCP and names through it; nothing beside it"


def listening(w, port):
    until("the proxy listens", lambda: f":{port} " in w.on("proxy", "ss", "-Hlnt"))


def a_wrong_password_is_said():
    with World() as w:
        w.program("proxy", "socks5", "1080", "ana", "right")
        fetch = w.get(w.share("10.3.0") + PROXIED, "--proxy", "socks5://ana:wrong@10.1.0.9")
        until("the reason is shown", lambda: "refuses our login" in fetch.text())
        must_be_silent(w.plain)
        return "shown; 0 packets beside it"


def a_proxy_that_goes_and_comes_back():
    with World() as w:
        tap = Tap(w, "user", "tun0")
        settle(tap)
        w.plain.frames()
        fetch = w.get(w.share("10.3.0") + PROXIED, *SLOW, "--proxy", "socks5://10.1.0.9")
        until("the reason is shown", lambda: "does not answer" in fetch.text())
        proxy = w.program("proxy", "socks5", "1080")
        until("data", lambda: w.progress() > 0)
        proxy.process.kill()
        proxy.process.wait()
        time.sleep(3)
        w.program("proxy", "socks5", "1080")
        w.must_have_got(fetch, 150)
        only_to_the_proxy(w, tap)
        return "waited, went on twice; nothing beside it"


def a_proxy_behind_an_interface():
    with World() as w:
        w.program("proxy", "socks5", "1080")
        proxied(w, True, "socks5://10.1.0.9", "--interface", "tun0")
        return "both hold"


# ---- who is spoken to ---------------------------------------------------------------------------

def blocked_addresses_hear_nothing():
    with World() as w:
        listed = w.work / "blocked.p2p.gz"
        with gzip.open(listed, "wt") as f:
            f.write("# nobody\nservers and sharer:10.1.0.3-10.1.0.4\nfd01::3-fd01::4\n")
        tap = Tap(w, "user", "tun0")
        servers = w.program("servers", "servers", str(w.film.parent), "10.1.0.3:7777")
        fetch = w.get(w.share() + EVERYTHING, "--block-list", str(listed), "--no-lsd")
        until("it looks for peers", lambda: "waiting for peers" in fetch.text())
        time.sleep(3)
        for frame in tap.frames():
            if describe(frame).endswith(("to 10.1.0.3", "to 10.1.0.4", "to fd01::3", "to fd01::4")):
                raise Failure(f"spoken to: {describe(frame)}")
        if lines(servers):
            raise Failure(f"asked: {servers.heard}")
        return "no connection, no datagram, no request"


def a_sharer_refuses_blocked_peers():
    with World() as w:
        listed = w.work / "blocked.txt"
        listed.write_text("10.1.0.2/32\nfd01::2/128\n")
        fetch = w.get(w.share("10.1.0", "--block-list", str(listed)))
        until("nobody answers", lambda: "nobody answers" in fetch.text() or "waiting for peers" in fetch.text())
        time.sleep(2)
        if w.progress():
            raise Failure("data came all the same")
        return "no data"


def listening_where_it_is_told():
    with World() as w:
        share = Program(w, "user", KITH, "share", "-q", str(w.film), "-P", "7777", "--listen", "tun0",
                        "--listen", "10.2.0.2", "--listen", "fd02::2")
        link = share.line()
        sockets = w.on("user", "ss", "-Hlnt")
        for wanted in ("0.0.0.0%tun0:7777", "[::]%tun0:7777", "10.2.0.2%eth0:7777", "[fd02::2]%eth0:7777"):
            if wanted not in sockets:
                raise Failure(f"{wanted} is not in: {sockets}")
        for wanted in ("10.1.0.2:7777", "[fd01::2]:7777", "10.2.0.2:7777", "[fd02::2]:7777"):
            if f"x.pe={wanted}" not in link:
                raise Failure(f"{wanted} is not in {link}")
        return "4 listeners on one port; all of them in the link"


CASES = {f.__name__.replace("_", " "): f for f in (
    the_dht_through_a_proxy,  # first, because it takes longest
    without_a_binding_the_plain_line_is_used,
    bound_to_an_interface, bound_to_an_address, a_tunnel_that_goes_and_comes_back,
    a_tunnel_that_is_made_anew, a_sharer_behind_its_tunnel,
    socks5_with_a_login, dante, utp_through_a_proxy, tinyproxy,
    a_wrong_password_is_said,
    a_proxy_that_goes_and_comes_back, a_proxy_behind_an_interface,
    blocked_addresses_hear_nothing, a_sharer_refuses_blocked_peers, listening_where_it_is_told)}

if __name__ == "__main__":
    sys.exit(main(CASES, sys.argv[2:], AT_ONCE))
