#!/usr/bin/python3
"""kith beside other engines, in alternating runs; prints one table and writes docs/performance.md.

    bench/run.py KITH LT_PEER [ROUNDS]

One seeder and one leecher of the same engine on loopback, plain TCP, one file of 2 GiB in memory
(tmpfs); creation and recheck of the same file. For each role: user and system seconds per GiB, and
the most memory; medians. The content is compared in the end.
"""
import filecmp
import os
import pathlib
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

KITH, LT_PEER = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 3
GIB = 2**30
SIZE = 2 * GIB
PIECE = "2M"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Measured:
    """A process and what it cost."""

    def __init__(self, argv):
        self.begun = time.monotonic()
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self, send=None):
        if send:
            self.process.send_signal(send)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.wall = time.monotonic() - self.begun
        self.cpu = usage.ru_utime + usage.ru_stime
        self.memory = usage.ru_maxrss / 1024
        return self


def kith_seed(torrent, folder, port):
    return [KITH, "get", str(torrent), "-o", str(folder), "-q", "--listen", "127.0.0.1", "--port", str(port),
            "--encryption", "off"]


def kith_leech(torrent, folder, port):
    return [KITH, "get", str(torrent), "-o", str(folder), "-q", "--listen", "127.0.0.1", "--exit", "--overwrite", "-p",
            f"127.0.0.1:{port}", "--encryption", "off"]


ENGINES = {
    "kith": (kith_seed, kith_leech),
    "libtorrent 2.0.8": (
        lambda torrent, folder, port: [LT_PEER, "seed", str(torrent), str(folder), str(port)],
        lambda torrent, folder, port: [LT_PEER, "leech", str(torrent), str(folder), str(port)],
    ),
}


def pair(engine, torrent, source, work):
    seed, leech = ENGINES[engine]
    port, out = free_port(), work / "out"
    out.mkdir()
    seeder = Measured(seed(torrent, source.parent, port))
    while not listening(port):
        time.sleep(0.01)
    leecher = Measured(leech(torrent, out, port)).end()
    seeder.end(signal.SIGTERM)
    if not filecmp.cmp(source, out / source.name, shallow=False):
        raise SystemExit(f"{engine}: the content differs")
    shutil.rmtree(out)
    return seeder, leecher


def medians(runs):
    return {
        "seeder": statistics.median(s.cpu for s, _ in runs) * GIB / SIZE,
        "leecher": statistics.median(l.cpu for _, l in runs) * GIB / SIZE,
        "rate": SIZE / 1e9 / statistics.median(l.wall for _, l in runs),
        "seeder MiB": statistics.median(s.memory for s, _ in runs),
        "leecher MiB": statistics.median(l.memory for _, l in runs),
    }


def timed(argv):
    m = Measured(argv).end()
    if m.process.returncode != 0:
        raise SystemExit(f"{argv} failed")
    return m.cpu * GIB / SIZE, SIZE / 1e9 / m.wall


def creation(source, work):
    rows = []
    for kind in ("v1", "v2", "hybrid"):
        torrent = work / f"{kind}.torrent"
        make = [KITH, "create", str(source), "-o", str(torrent), "-q", "--format", kind, "-s", PIECE, "--force"]
        check = [KITH, "verify", str(torrent), str(source.parent), "-q"]
        made = [timed(make) for _ in range(ROUNDS)]
        checked = [timed(check) for _ in range(ROUNDS)]
        rows.append((kind, *(statistics.median(x) for x in zip(*made)), *(statistics.median(x) for x in zip(*checked))))
    return rows


def openssl_floor():
    """What one core of OpenSSL does with long messages, in GB/s."""
    rates = {}
    for name in ("sha1", "sha256"):
        out = subprocess.run(["openssl", "speed", "-seconds", "1", "-bytes", "1048576", "-mr", "-evp", name],
                             capture_output=True, text=True).stdout
        rates[name] = float([l for l in out.splitlines() if l.startswith("+F")][-1].split(":")[-1]) / 1e9
    return rates


def machine():
    model = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")][:1]
    return f"{model[0] if model else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"


def main():
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    work = pathlib.Path(tempfile.mkdtemp(prefix="kith-bench-", dir=base))
    os.environ["XDG_STATE_HOME"] = str(work / "state")
    os.environ["KITH_NO_LSD"] = "1"
    try:
        source = work / "source" / "film.bin"
        source.parent.mkdir()
        with open(source, "wb") as f:
            for _ in range(SIZE // (1 << 26)):
                f.write(os.urandom(1 << 26))
        torrent = work / "v1.torrent"
        hashing = creation(source, work)
        # kith remembers that the seeder's data was hashed; libtorrent is told so (seed_mode).
        first = Measured(kith_seed(torrent, source.parent, free_port()))
        time.sleep(6)
        first.end(signal.SIGTERM)
        runs = {engine: [] for engine in ENGINES}
        for _ in range(ROUNDS):
            for engine in ENGINES:
                runs[engine].append(pair(engine, torrent, source, work))
        report(hashing, {engine: medians(r) for engine, r in runs.items()}, openssl_floor())
    finally:
        shutil.rmtree(work, ignore_errors=True)


def report(hashing, pairs, floor):
    lines = [
        "# Performance", "",
        "Written by `make bench`. Medians of alternating runs, whole processes, 2 GiB in memory (tmpfs).", "",
        f"Machine: {machine()}.", "",
        "## One seeder, one leecher, plain TCP on loopback, both ends of one engine", "",
        "| engine | seeder, CPU s/GiB | leecher, CPU s/GiB | GB/s | seeder MiB | leecher MiB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for engine, m in pairs.items():
        lines.append(f"| {engine} | {m['seeder']:.2f} | {m['leecher']:.2f} | {m['rate']:.2f} | "
                     f"{m['seeder MiB']:.0f} | {m['leecher MiB']:.0f} |")
    ours, theirs = pairs["kith"], pairs["libtorrent 2.0.8"]
    lines += [
        f"| ratio | {ours['seeder'] / theirs['seeder']:.2f} | {ours['leecher'] / theirs['leecher']:.2f} | "
        f"{ours['rate'] / theirs['rate']:.1f} | | |", "",
        "Memory is resident, page cache that is mapped included.", "",
        "## Creation and recheck, all cores, warm", "",
        "| format | create, CPU s/GiB | create, GB/s | recheck, CPU s/GiB | recheck, GB/s |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {k} | {a:.2f} | {b:.2f} | {c:.2f} | {d:.2f} |" for k, a, b, c, d in hashing]
    lines += ["", f"OpenSSL on one core of this machine: SHA-1 {floor['sha1']:.2f} GB/s, "
                  f"SHA-256 {floor['sha256']:.2f} GB/s.", ""]
    text = "\n".join(lines)
    print(text)
    root = pathlib.Path(__file__).resolve().parent.parent
    (root / "docs" / "performance.md").write_text(text)


main()
