#!/usr/bin/python3
"""kith's DHT node among those of libtorrent, Transmission, aria2 and webtorrent, on one switch.

    tests/interop/dht.py KITH [NAME...]

Needs root: each node has a namespace and an address of its own, because several of them take no
node on loopback and no two at one address. Nothing leaves the machine: there is no route out.
webtorrent's packages come by tools/npm-peers."""
import filecmp
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from netns import BOUND_S, Failure, Network, Program, fill, main, until

KITH = os.path.abspath(sys.argv[1])
HERE = pathlib.Path(__file__).resolve().parent
JS = HERE.parents[1] / "build-test/npm/dht.mjs"
os.environ["KITH_NO_LSD"] = "1"
HASH = hashlib.sha1(b"a swarm").hexdigest()
PORT = 6881
AT_ONCE = 4  # they wait for one another's timers


class Dht(Network):
    """Hosts on one switch; each is a node of the DHT, and begins with the first."""

    def __init__(self):
        super().__init__("dht")
        self.addresses = {}

    def __enter__(self):
        self.switch("switch")
        return self

    def add(self, name, families="4"):
        number = len(self.addresses) + 1
        every = {"4": (f"10.44.0.{number}", 24), "6": (f"[fd44::{number}]", 64)}
        self.host(name)
        self.addresses[name] = every[families[0]][0]
        self.plug(name, "switch", "eth0", *(f"{every[f][0].strip('[]')}/{every[f][1]}" for f in families))
        return self.at(name)

    def at(self, name):
        """Its address of the family that it was added with first."""
        return f"{self.addresses[name]}:{PORT}"

    def at6(self, name):
        return f"[fd44::{list(self.addresses).index(name) + 1}]:{PORT}"

    def lt(self, name, first, *words):
        here = self.add(name)
        program = Program(self, name, "/usr/bin/python3", str(HERE / "dht_lt.py"), here, first or "-", *words)
        program.line()
        return program

    def js(self, name, first, *words):
        here = self.add(name)
        program = Program(self, name, "node", str(JS), here, first or "-", *words)
        program.line()
        return program

    def kith(self, name, *argv, first=None):
        if name not in self.addresses:
            self.add(name)
        options = ["--bootstrap", first or "none", "--port", str(PORT)]
        return Program(self, name, KITH, *argv, *options)

    def kith_run(self, name, first, *words, port=PORT):
        """One command of `kith dht`, whatever becomes of it."""
        if name not in self.addresses:
            self.add(name)
        argv = ["ip", "netns", "exec", self.full(name), KITH, "dht", *words, "--bootstrap", first, "--port", str(port)]
        environment = dict(os.environ, XDG_STATE_HOME=str(self.work / f"state-{name}"))
        return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, timeout=60)

    def kith_dht(self, name, first, *words, code=0, port=PORT):
        """One command of `kith dht`; its output."""
        done = self.kith_run(name, first, *words, port=port)
        if code is not None and done.returncode != code:
            raise Failure(f"kith dht {' '.join(words)}: exit {done.returncode}: {done.stderr}")
        return done.stdout


def say(program, key):
    """The next line of a helper that has this key."""
    while True:
        line = json.loads(program.line())
        if key in line:
            return line[key]


def a_network(net):
    """Four nodes of other makes; the address of the first."""
    first = net.add("lt0")
    Program(net, "lt0", "/usr/bin/python3", str(HERE / "dht_lt.py"), first, "-", "node").line()
    net.lt("lt1", first, "node")
    net.js("js1", first, "node")
    return first


# ---- announce and get_peers -------------------------------------------------------------------------


def kith_finds_what_others_announce():
    with Dht() as net:
        first = a_network(net)
        by_lt = net.lt("lt2", first, "announce", HASH)
        by_js = net.js("js2", first, "announce", HASH, "5002")
        say(by_lt, "announced")
        say(by_js, "announced")
        wanted = {net.at("lt2"), f"{net.addresses['js2']}:5002"}
        until("both are found", lambda: wanted <= set(net.kith_dht("k", first, "peers", HASH).split()))
        return "libtorrent's and webtorrent's"


def others_find_what_kith_announces():
    with Dht() as net:
        first = a_network(net)
        def announce():
            return net.kith_run("k", first, "peers", HASH, "--announce", "5003").returncode == 0

        until("somebody takes the announce", announce)
        wanted = f"{net.addresses['k']}:5003"
        for program in net.lt("lt2", first, "peers", HASH), net.js("js2", first, "peers", HASH):
            until("it is found", lambda: wanted in say(program, "peers"))
        return "by libtorrent and webtorrent"


def others_keep_what_kith_only_knows():
    """A DHT whose first node is kith's: all others meet through it."""
    with Dht() as net:
        film = net.work / "film.bin"
        fill(film, 100_000, 1)
        net.kith("k", "share", str(film)).line()
        first = net.at("k")
        by_js = net.js("js1", first, "announce", HASH, "5004")
        say(by_js, "announced")
        program = net.lt("lt1", first, "peers", HASH)
        until("it is found", lambda: f"{net.addresses['js1']}:5004" in say(program, "peers"))
        return "webtorrent's announce, by libtorrent, through kith"


# ---- items ------------------------------------------------------------------------------------------


def values(out):
    return dict(line.split(" ", 1) for line in out.splitlines())


def items_of_others():
    with Dht() as net:
        first = a_network(net)
        by_lt = net.lt("lt2", first, "put", "hello from libtorrent")
        target = say(by_lt, "target")
        say(by_lt, "stored")
        if net.kith_dht("k", first, "get", target) != "hello from libtorrent":
            raise Failure("libtorrent's item differs")
        by_js = net.js("js2", first, "put", "hello from webtorrent")
        target = say(by_js, "target")
        if net.kith_dht("k", first, "get", target) != "hello from webtorrent":
            raise Failure("webtorrent's item differs")
        return "immutable, of both"


def items_of_kith():
    with Dht() as net:
        first = a_network(net)
        out = values(net.kith_dht("k", first, "put", "hello from kith"))
        for program in net.lt("lt2", first, "get", out["target"]), net.js("js2", first, "get", out["target"]):
            if say(program, "value") != "hello from kith":
                raise Failure("the item differs")
        return f"immutable, stored at {out['stored']}, read by both"


def expanded(seed):
    """A private key as libtorrent wants it: the hash of the seed, clamped."""
    key = bytearray(hashlib.sha512(seed).digest())
    key[0] &= 248
    key[31] = key[31] & 127 | 64
    return bytes(key)


def mutable_items():
    with Dht() as net:
        first = a_network(net)
        key_file = net.work / "key"
        put = ["--key-file", str(key_file)]
        one = values(net.kith_dht("k", first, "put", "one", *put))
        two = values(net.kith_dht("k", first, "put", "two", *put))
        if (one["seq"], two["seq"]) != ("1", "2"):
            raise Failure(f"sequence numbers {one} {two}")
        salted = values(net.kith_dht("k", first, "put", "salted", *put, "--salt", "foobar"))
        program = net.lt("lt2", first, "get-key", two["key"], "")
        until("libtorrent reads it", lambda: say(program, "value") == "two")
        program = net.lt("lt3", first, "get-key", salted["key"], "foobar")
        until("libtorrent reads the salted one", lambda: say(program, "value") == "salted")
        program = net.js("js2", first, "get", two["target"])
        until("webtorrent reads it", lambda: say(program, "value") == "two")
        seed = bytes.fromhex(key_file.read_text())
        program = net.js("js3", first, "put-key", seed.hex(), "7", "by webtorrent")
        until("webtorrent stores", lambda: say(program, "stored") > 0)
        if net.kith_dht("k", first, "get", two["key"]) != "by webtorrent":
            raise Failure("webtorrent's update is not read")
        program = net.lt("lt4", first, "put-key", expanded(seed).hex(), two["key"], "s", "by libtorrent")
        say(program, "stored")
        if net.kith_dht("k", first, "get", two["key"], "--salt", "s") != "by libtorrent":
            raise Failure("libtorrent's item is not read")
        # An older one may go to who has none; a newer one does not give way to it.
        net.kith_dht("k", first, "put", "old", *put, "--seq", "1", code=None)
        if net.kith_dht("k", first, "get", two["key"]) != "by webtorrent":
            raise Failure("an old item took the place of a newer one")
        return "seq, salt, both ways"


def get_raced(net, program, key, wanted):
    until(f"{wanted} is read", lambda: say(program, "value") == wanted)


def compare_and_swap():
    """Who writes to one key from two sides with cas loses no write of the other unknowingly."""
    with Dht() as net:
        first = a_network(net)
        key_file = net.work / "key"
        put = ["--key-file", str(key_file), "--salt", "slot"]
        one = values(net.kith_dht("k", first, "put", "one", *put, "--cas"))
        seed = bytes.fromhex(key_file.read_text())
        private, public = expanded(seed).hex(), one["key"]
        # libtorrent reads, raises the seq and writes with the cas of what it read.
        by_lt = net.lt("lt2", first, "put-key", private, public, "slot", "two by libtorrent")
        say(by_lt, "stored")
        until("kith reads libtorrent's", lambda: net.kith_dht("k", first, "get", public, "--salt", "slot") ==
              "two by libtorrent")
        three = values(net.kith_dht("k", first, "put", "three", *put, "--cas"))
        if int(three["seq"]) < 3 or int(three["stored"]) < 1:
            raise Failure(f"kith's put with cas: {three}")
        program = net.lt("lt3", first, "get-key", public, "slot")
        get_raced(net, program, public, "three")
        fitting = net.js("js3", first, "put-cas", seed.hex(), "9", three["seq"], "slot", "nine by webtorrent")
        until("webtorrent stores", lambda: say(fitting, "stored") > 0)
        if net.kith_dht("k", first, "get", public, "--salt", "slot") != "nine by webtorrent":
            raise Failure("webtorrent's put with the right cas is not read")
        # One that does not fit is refused by who has another, with 301.
        stale = net.js("js2", first, "put-cas", seed.hex(), "10", "1", "slot", "with an old cas")
        refused = say(stale, "error")
        if "301" not in refused and "CAS" not in refused.upper():
            raise Failure(f"webtorrent was not refused: {refused}")
        return "of libtorrent and webtorrent, seq and salt, both ways"


def refusals_are_told():
    """What others refuse, and why, is said: 302 for what is old."""
    with Dht() as net:
        first = a_network(net)
        key_file = net.work / "key"
        put = ["--key-file", str(key_file)]
        net.kith_dht("k", first, "put", "new", *put, "--seq", "7")
        done = net.kith_run("k", first, "put", "old", *put, "--seq", "3")
        if "302" not in done.stderr or "newer" not in done.stderr:
            raise Failure(f"nothing was said: {done.stderr}")
        return "302"


def an_item_is_kept():
    """Put in one run, kept in another without the key, given back to those who came since."""
    with Dht() as net:
        first = a_network(net)
        key_file = net.work / "key"
        one = values(net.kith_dht("k", first, "put", "one", "--key-file", str(key_file), "--keep"))
        key_file.rename(net.work / "elsewhere")
        seed = (net.work / "elsewhere").read_text()
        if not net.kith_dht("k", first, "kept").startswith(one["target"]):
            raise Failure("it is not remembered")
        by_js = net.js("js2", first, "put-key", seed, "5", "by another hand")
        until("webtorrent stores", lambda: say(by_js, "stored") > 0)
        by_js.kill()
        keeper = net.kith("k", "dht", "keep", first=first)
        until("the newer one is kept", lambda: "seq 5" in keeper.line(), 400)
        keeper.stop()
        if "seq 5" not in net.kith_dht("k", first, "kept"):
            raise Failure("the newer one is not remembered")
        net.kith_dht("k", first, "forget", one["target"])
        if net.kith_dht("k", first, "kept") != "":
            raise Failure("it is still kept")
        return "over a restart, the newest wins, without the key"


# ---- links with nothing but an info-hash ------------------------------------------------------------------


def share(net, name, film, first=None, kind="hybrid"):
    program = net.kith(name, "share", "--json", "--format", kind, str(film), first=first)
    return program, "magnet:?xt=urn:btih:" + say(program, "info_hash_v1")


def check(film, got):
    if not filecmp.cmp(film, got, shallow=False):
        raise Failure("the data differs")


def fetch(net, name, link, first):
    out = net.work / f"got-{name}"
    out.mkdir(exist_ok=True)
    net.kith(name, "get", link, "-o", str(out), "--exit", first=first).wait()
    return out


def a_film(net, name="film.bin"):
    film = net.work / name
    fill(film, 3_000_001, 5)
    return film


def between_two_kiths_alone():
    with Dht() as net:
        film = a_film(net)
        _, link = share(net, "k1", film)
        check(film, fetch(net, "k2", link, net.at("k1")) / film.name)
        return "they know one address"


def through_the_others():
    with Dht() as net:
        first, film = a_network(net), a_film(net)
        _, link = share(net, "k1", film, first)
        check(film, fetch(net, "k2", link, net.at("js1")) / film.name)
        return "kith from kith"


def libtorrent_from_kith():
    with Dht() as net:
        first, film = a_network(net), a_film(net)
        _, link = share(net, "k1", film, first)
        out = net.work / "out"
        out.mkdir()
        say(net.lt("lt2", first, "fetch", link, str(out)), "complete")
        check(film, out / film.name)
        return "by its hash alone"


def kith_from_libtorrent():
    with Dht() as net:
        first, film = a_network(net), a_film(net)
        link = "magnet:?xt=urn:btih:" + say(net.lt("lt2", first, "seed", str(film)), "hash")
        check(film, fetch(net, "k1", link, first) / film.name)
        return "by its hash alone"


def has_all(film, got):
    return got.exists() and filecmp.cmp(film, got, shallow=False)


def back_to_kith(net, film, sharer, link, first):
    """Who has fetched from kith announces, too: with the sharer gone, kith finds him."""
    sharer.stop()
    check(film, fetch(net, "k9", link, first) / film.name)


def aria2_and_kith():
    with Dht() as net:
        first, film = a_network(net), a_film(net)
        sharer, link = share(net, "k1", film, first, "v1")
        net.add("a2")
        out = net.work / "out"
        Program(net, "a2", "aria2c", "--enable-dht=true", f"--dht-entry-point={first}", "--dht-listen-port=6881",
                f"--dht-file-path={net.work}/dht.dat", "--bt-enable-lpd=false", "--seed-ratio=0", "-d", str(out),
                "--file-allocation=none", f"--listen-port={PORT}", link)
        until("aria2 has it", lambda: has_all(film, out / film.name))
        back_to_kith(net, film, sharer, link, first)
        return "both ways, by its hash alone"


def transmission_and_kith():
    """Transmission announces nothing before it knows nine nodes."""
    with Dht() as net:
        first, film = a_network(net), a_film(net)
        for i in range(10):
            share(net, f"m{i}", a_film(net, f"other{i}.bin"), first)
        sharer, link = share(net, "k1", film, first, "v1")
        net.add("tr")
        config, out = net.work / "tr", net.work / "out"
        config.mkdir()
        out.mkdir()
        others = [host for host in net.addresses if host != "tr"]
        (config / "dht.bootstrap").write_text("".join(f"{net.addresses[host]} {PORT}\n" for host in others))
        Program(net, "tr", "transmission-daemon", "-f", "-g", str(config), "-w", str(out), "-P", str(PORT), "-T",
                "--no-lpd", "--no-portmap", "-o")
        remote = ["ip", "netns", "exec", net.full("tr"), "transmission-remote", "127.0.0.1:9091"]

        def told(*options):
            done = subprocess.run([*remote, *options], capture_output=True, text=True)
            return done.stdout if done.returncode == 0 else ""

        until("transmission starts", lambda: told("-l"))
        told("-a", link)
        # It begins a search half a minute after its start, and takes as long for one.
        until("transmission has it", lambda: "Percent Done: 100%" in told("-t", "1", "-i"), 3 * BOUND_S)
        check(film, out / film.name)
        back_to_kith(net, film, sharer, link, first)
        return "both ways, by its hash alone"


# ---- both families (BEP 32, 45) ------------------------------------------------------------------------


def ipv6_by_way_of_ipv4():
    """Who has both families and knows one node's IPv4 address comes to those that have IPv6 alone."""
    with Dht() as net:
        film = a_film(net)
        net.add("r", "46")
        share(net, "r", a_film(net, "other.bin"))
        net.add("six", "6")
        _, link = share(net, "six", film, net.at6("r"))
        net.add("k", "46")
        check(film, fetch(net, "k", link, net.at("r")) / film.name)
        return "the data came from a peer of IPv6 alone"


def libtorrent_over_ipv6():
    with Dht() as net:
        net.add("r", "46")
        share(net, "r", a_film(net))
        net.add("lt1", "6")
        announces = Program(net, "lt1", "/usr/bin/python3", str(HERE / "dht_lt.py"), net.at("lt1"), net.at6("r"),
                            "announce", HASH)
        announces.line()
        say(announces, "announced")
        net.add("k", "46")
        until("it is found", lambda: net.at("lt1") in net.kith_dht("k", net.at("r"), "peers", HASH).split())
        return "its announce, asked for at an IPv4 address"


def port_messages_over_ipv6():
    """Two that were told of no node meet as peers over IPv6; a third then comes to one by the other's node."""
    with Dht() as net:
        film = a_film(net)
        for name in "a", "b", "c":
            net.add(name, "6")
        _, link = share(net, "a", film)
        out = net.work / "got"
        out.mkdir()
        net.kith("b", "get", link, "-o", str(out), "-p", net.at("a"))
        until("it is fetched", lambda: has_all(film, out / film.name))
        hash_ = link.rsplit(":", 1)[1]
        until("the third finds both", lambda: {net.at("a"), net.at("b")} <=
              set(net.kith_dht("c", net.at("b"), "peers", hash_).split()))
        return "PORT messages made one DHT of two"


# ---- memory ---------------------------------------------------------------------------------------------


def a_node_rejoins_alone():
    """Its saved table is all that it has: no host, no LSD, no tracker, no torrent, no peer that could
    tell it of nodes; and those that it once began with are gone."""
    with Dht() as net:
        first = a_network(net)
        for i in range(4):
            net.lt(f"n{i}", first, "node")

        def known():
            return int(re.search(r"IPv4: (\d+) nodes", net.kith_dht("k", first, "status")).group(1))

        until("it knows more than those that it began with", lambda: known() >= 5)
        for program in net.programs:
            if program.name.startswith(("lt0-", "js1-")):
                program.kill()
        # At another port: nobody who remembers it can come to it by himself.
        net.kith_dht("k", "none", "peers", HASH, "--announce", "5006", port=7001)
        peers = net.lt("lt9", net.at("n1"), "peers", HASH)
        until("it is found", lambda: f"{net.addresses['k']}:5006" in say(peers, "peers"))
        shutil.rmtree(net.work / "state-k")
        lone = net.kith_run("k", "none", "status", port=7002)
        if "no node of the DHT answers" not in lone.stderr:
            raise Failure("it found somebody without its table: the test proves nothing")
        return "though the first two are gone; without its table it stays alone"


CASES = {
    # The longest begins first.
    "a bare link, transmission and kith": transmission_and_kith,
    "kith finds what others announce": kith_finds_what_others_announce,
    "others find what kith announces": others_find_what_kith_announces,
    "others meet through kith": others_keep_what_kith_only_knows,
    "items of others": items_of_others,
    "items of kith": items_of_kith,
    "mutable items": mutable_items,
    "compare and swap": compare_and_swap,
    "refusals are told": refusals_are_told,
    "an item is kept": an_item_is_kept,
    "a bare link between two kiths alone": between_two_kiths_alone,
    "a bare link through the others": through_the_others,
    "a bare link, libtorrent from kith": libtorrent_from_kith,
    "a bare link, kith from libtorrent": kith_from_libtorrent,
    "a bare link, aria2 and kith": aria2_and_kith,
    "IPv6 by way of IPv4": ipv6_by_way_of_ipv4,
    "libtorrent over IPv6": libtorrent_over_ipv6,
    "PORT messages over IPv6": port_messages_over_ipv6,
    "a node rejoins alone": a_node_rejoins_alone,
}

subprocess.run([HERE.parents[1] / "tools/npm-peers"], check=True)
sys.exit(main(CASES, sys.argv[2:], AT_ONCE))
