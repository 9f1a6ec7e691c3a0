"""Scenarios: creation, recheck, and the kernels that both stand on."""
import subprocess
import time

from engines import named
from measure import Measured, free_port
from table import cost_table, table

KINDS = ("v1", "v2", "hybrid")


def once(data, argv, *clean):
    """A run of a command over the data that ends by itself; `clean`: what must not be there before."""
    def run():
        for path in clean:
            path.unlink(missing_ok=True)
        done = Measured(argv).must_succeed()
        done.size = data.size
        return done
    return run


def daemon_check(b, engine, data):
    """A daemon that meets data that it does not know: its CPU until it is idle, less what it needs
    when it does know it."""
    def started():
        daemon = Measured(engine.seed(data, free_port()))
        daemon.took = daemon.until_idle(1.5) - daemon.begun
        return daemon.stop()

    def run():
        b.prepare(engine, data)
        known = started()
        kept = engine.hashed(data)
        away = kept.rename(kept.with_name("away"))
        try:
            unknown = started()
        finally:
            away.rename(kept)
        unknown.cpu -= known.cpu
        unknown.size = data.size
        return unknown
    return run


def creation(b):
    data, made = b.film(), b.work / "made.torrent"
    runs = {f"kith, {kind}": once(data, [b.kith.binary, "create", str(data.root), "-o", str(made), "-q", "--format", kind,
                                   "-s", "2M", "--force"]) for kind in KINDS}
    libtorrent = b.here(b.lt)
    for kind in KINDS if libtorrent else ():
        runs[f"{b.lt.name}, {kind}"] = once(data, [b.lt.binary, "create", kind, str(2 << 20), str(data.root)])
    for name, ask, argv in (("mktorrent", "-h", ["-l", "21", "-t", "2"]), ("transmission-create", "--version", ["-s", "2048"])):
        if b.installed(name, name):
            runs[f"{named(name, name, ask)}, v1"] = once(data, [name, *argv, "-o", str(made), str(data.root)], made)
    for kind in KINDS:
        runs[f"floor: mapped, and the kernels, {kind}"] = once(data, [f"{b.build}/bench/floor_hash", kind, str(data.root)])
    many = b.small_files_for(b.kith)
    small = {"kith, hybrid": once(many, [b.kith.binary, "create", str(many.root), "-o", str(made), "-q", "-s", "256K",
                                   "--force"])}
    if libtorrent:
        small[f"{b.lt.name}, hybrid"] = once(many, [b.lt.binary, "create", "hybrid", str(256 << 10), str(many.root)])
    return ["## Creation, all cores, warm", "",
            *cost_table("", b.alternate(runs), "kith, v1"), "",
            "20,000 small files:", "", *cost_table("", b.alternate(small), "kith, hybrid"), ""]


def recheck(b):
    data = b.film()
    runs = {}
    for kind in KINDS:
        torrent = b.work / f"check-{kind}.torrent"
        subprocess.run([b.kith.binary, "create", str(data.root), "-o", str(torrent), "-q", "--format", kind, "-s", "2M",
                        "--force"], check=True)
        runs[f"kith, {kind}"] = once(data, [b.kith.binary, "verify", str(torrent), str(data.folder), "-q"])
    for kind in KINDS:
        runs[f"floor: mapped, and the kernels, {kind}"] = once(data, [f"{b.build}/bench/floor_hash", kind, str(data.root)])
    for engine in b.here(b.lt, b.aria2):
        runs[f"{engine.name}, v1"] = once(data, engine.check(data))
    for engine in b.here(b.transmission, b.rtorrent):
        runs[f"{engine.name}, v1"] = daemon_check(b, engine, data)
    return ["## Recheck, all cores, warm", "", *cost_table("", b.alternate(runs), "kith, v1"), ""]


def kernels(b):
    """Each kernel that this machine can run, and OpenSSL with and without its own instructions."""
    lines = ["## Hash kernels, one core, GB/s", "",
             "Each forced in turn; `chosen` is what kith takes for so many messages. `without SHA-NI`: OpenSSL, and the",
             "choice, as they are on a machine that has no such instructions.", ""]
    for title, options in (("As it is", []), ("Without SHA-NI", ["--without-sha-ni"]),
                           ("Without AVX-512", ["--without-avx512"]),
                           ("Without SHA-NI and AVX-512", ["--without-sha-ni", "--without-avx512"])):
        done = subprocess.run([f"{b.build}/bench/hash_bench", *options], capture_output=True, text=True, check=True)
        for block in done.stdout.strip().split("\n\n"):
            name, head, *rows = block.splitlines()
            lines += [f"{title}: {name}", "", *table(head.split("|"), [r.split("|") for r in rows]), ""]
    return lines
