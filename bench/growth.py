"""Scenarios: what it costs when there are many torrents, or many peers."""
import json
import os
import shutil
import statistics
import subprocess
import time

from measure import GIB, Measured, available, free_port, wait_listening
from table import median, table

TORRENTS = (100, 1000, 10000, 30000, 100000)
PEERS = (1, 10, 100, 1000)
IDLE_SECONDS = 5
AWAKE = (1000, 10000)
QUEUED = (1000, 10000, 100000)
CALLS = {"add": "kith_add", "status": "kith_status", "page": "100 times kith_torrent_at and kith_status",
         "find": "kith_torrent_find", "rates": "kith_set_torrent_rates", "pause": "kith_pause",
         "resume": "kith_resume", "remove": "kith_remove",
         "event": "kith_next_event", "turn": "a turn of the loop between them"}


def drivers(b):
    """What is opened, by program: names and options."""
    ours = {"bench/many": {"kith": [], "kith, DHT and local discovery on": ["--discovery"]}}
    return {**ours, "lt_many": {b.lt.name: []}} if b.here(b.lt) else ours


def open_many(b, program, options, folder, count):
    """One node on what it remembered at its last stop; medians of what the driver prints."""
    runs = []
    for _ in range(b.rounds if count <= 10000 else 1):
        done = subprocess.run([program, *options, "run", folder, str(IDLE_SECONDS)], check=True, capture_output=True)
        runs.append(json.loads(done.stdout))
    return {key: statistics.median(r[key] for r in runs) for key in runs[0]}


def many_of(b, count):
    rows, folder = [], str(b.work / "seeds")
    for driver, variants in drivers(b).items():
        program = f"{b.build}/{driver}"
        subprocess.run([program, "make", folder, str(count)], check=True, stdout=subprocess.DEVNULL)
        for name, options in variants.items():
            r = open_many(b, program, options, folder, count)
            rows.append([f"{count:,}", name, f"{r['ready_s']:.3f}", f"{r['anonymous_bytes_each'] * count / 2**20:.1f}",
                         f"{r['anonymous_bytes_each']:.0f}", f"{r['idle_cpu_percent']:.3f}", f"{r['stop_s']:.3f}"])
        shutil.rmtree(folder)
    return rows


def awake_of(b, most):
    """Torrents that look for data which nobody has, each with a tracker."""
    program, folder, rows = f"{b.build}/bench/many", str(b.work / "awake"), []
    for count in (c for c in AWAKE if c <= most):
        for kind in ("udp", "http"):
            done = subprocess.run([program, "--discovery", "awake", folder, str(count), str(IDLE_SECONDS), kind], check=True,
                                  capture_output=True)
            r = json.loads(done.stdout)
            rows.append([f"{count:,}", kind.upper(), f"{r['open_s']:.2f}", f"{r['announced_s']:.2f}",
                         f"{r['begin_cpu_s']:.2f}", f"{r['anonymous_bytes_each'] / 1024:.1f}", f"{r['idle_cpu_percent']:.3f}",
                         str(r["descriptors"]), f"{r['stop_s']:.2f}"])
            shutil.rmtree(folder)
    return rows


def queue_of(b, most):
    """Torrents of which five may download at a time: an addition must cost the same, however many wait."""
    program, folder, rows = f"{b.build}/bench/many", str(b.work / "queue"), []
    for count in (c for c in QUEUED if c <= most):
        r = json.loads(subprocess.run([program, "queue", folder, str(count), "5"], check=True, capture_output=True).stdout)
        rows.append([f"{count:,}", f"{r['all_s']:.2f}", f"{r['cpu_s']:.2f}", f"{r['cpu_s'] / count * 1e6:.0f}"])
        shutil.rmtree(folder)
    return rows


def calls_among(b, most):
    """What the embedder's calls take while so many seeds are there: mean and worst of a thousand, microseconds."""
    program, folder = f"{b.build}/bench/many", str(b.work / "seeds")
    subprocess.run([program, "make", folder, str(most)], check=True, stdout=subprocess.DEVNULL)
    r = json.loads(subprocess.run([program, "calls", folder], check=True, capture_output=True).stdout)
    shutil.rmtree(folder)
    return [[CALLS[name], f"{r[name + '_us']:.1f}", f"{r[name + '_worst_us']:.0f}"] for name in CALLS]


def many(b):
    """MANY=10000 leaves out what is larger."""
    most = int(os.environ.get("MANY", TORRENTS[-1]))
    rows = [row for count in TORRENTS if count <= most for row in many_of(b, count)]
    return ["## Seeding torrents of one file of 64 KiB, idle (`bench/many.c`, `bench/lt_many.cpp`)", "",
            "The node is opened on what it remembered at its last stop, and nothing is hashed again; ready: all of them are",
            f"seeds. Idle CPU over {IDLE_SECONDS} s, in percent of a core. Memory is anonymous, of the whole process.", "",
            *table(["torrents", "", "ready s", "MiB", "bytes each", "idle CPU %", "stop s"], rows), "",
            "Awake: torrents that look for data which nobody has, with DHT and local discovery on, each with a tracker",
            "(`bench/stub_tracker.c`). Announced: all of them have been, since the first was added.", "",
            *table(["torrents", "tracker", "open s", "announced s", "CPU s until then", "KiB each", "idle CPU %", "descriptors",
                    "stop s"], awake_of(b, most)), "",
            "Torrents that look for data, of which five may download at a time (`downloads_max`): until all are added, and those",
            "wait whose turn it is not.", "",
            *table(["torrents", "s", "CPU s", "CPU us each"], queue_of(b, most)), "",
            f"Calls of `kith.h` while {most:,} seeds are there, microseconds:", "",
            *table(["call", "mean", "worst of 1,000"], calls_among(b, most)), ""]


class Crowd:
    """Plain peers that have connected to the engine."""

    def __init__(self, b, what, data, count, port, *more):
        argv = [f"{b.build}/bench/crowd", what, str(data.torrent), str(count), str(port), *map(str, more)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.hear("here")

    def hear(self, word):
        if self.process.stdout.readline().strip() != word:
            raise SystemExit(f"a crowd did not get {word}")

    def go(self):
        self.process.terminate()
        self.process.wait()


def room(count):
    return ["--connections", str(count + 10)]


def idle_peers(b, count):
    """To a seed: they are interested and never ask. KiB each, and CPU in percent of a core."""
    data, port, seconds = b.film(0.25), free_port(), 5
    b.prepare(b.kith, data)
    seeder = Measured(b.kith.seed(data, port) + room(count))
    wait_listening(port, seeder.process)
    seeder.until_idle(1)
    before = seeder.anonymous
    crowd = Crowd(b, "hold", data, count, port)
    time.sleep(2)
    begun = seeder.cpu_so_far()
    time.sleep(seconds)
    cpu = (seeder.cpu_so_far() - begun) / seconds
    grown = seeder.anonymous - before
    crowd.go()
    seeder.stop()
    return [f"{grown * 1024 / count:.1f}", f"{cpu * 100:.1f}"]


def giving_peers(b, count):
    """To a leecher: all of them give. CPU s/GiB, GB/s, anonymous MiB."""
    data, port, out = b.film(0.5), free_port(), b.out()
    leecher = Measured(b.kith.get(data, out, port, "plain") + ["--exit", "--overwrite", *room(count)])
    wait_listening(port, leecher.process)
    begun = time.monotonic()
    crowd = Crowd(b, "seed", data, count, port, data.image)
    leecher.end()
    wall = time.monotonic() - begun
    crowd.go()
    b.must_be_same(data, b.kith.name, out)
    return leecher.cpu * GIB / data.size, data.size / 1e9 / wall, leecher.anonymous


def telling_peers(b, count):
    """To a leecher: they tell of every piece but one. CPU in microseconds a `have`."""
    data, port, out = b.film(0.5), free_port(), b.out()
    leecher = Measured(b.kith.get(data, out, port, "plain") + ["--overwrite", *room(count)])
    wait_listening(port, leecher.process)
    leecher.until_idle(1)
    crowd = Crowd(b, "hold", data, 1, port)
    begun = leecher.cpu_so_far()
    crowd.go()
    crowd = Crowd(b, "tell", data, count, port)
    crowd.hear("told")
    leecher.until_idle(1)
    cpu = leecher.cpu_so_far() - begun
    crowd.go()
    leecher.stop()
    shutil.rmtree(out)
    return [f"{cpu * 1e6 / count / (data.size >> 21):.1f}"]


def peers(b):
    rows, alone = [], None
    for n in PEERS:
        idle, (cpu, rate, mib), tells = idle_peers(b, n), giving_peers(b, n), telling_peers(b, n)
        alone = mib if n == 1 else alone
        each = f"{max(mib - alone, 0) * 1024 / (n - 1):.1f}" if n > 1 else "-"
        rows.append([f"{n:,}", *idle, f"{cpu:.2f}", f"{rate:.2f}", f"{mib:.0f}", each, *tells])
    return ["## Connected peers of one torrent", "",
            "To a seed, peers that ask for nothing; to a leecher, peers that all give (0.5 GiB in all), and peers that tell of",
            "256 pieces, one by one. A giving peer's KiB are what a leecher has more than with a single one, by their number.", "",
            *table(["peers", "idle: KiB each", "idle: CPU %", "giving: CPU s/GiB", "giving: GB/s",
                    "giving: anonymous MiB", "giving: KiB each", "CPU us a `have`"], rows), ""]


def memory(b):
    """One large file, whatever SIZE_GIB says: what is held must not grow with it."""
    needed = 9 * GIB
    if available() < needed:
        raise SystemExit(f"a file of 4 GiB and its copy in memory need {needed >> 30} GiB that are free")
    data = b.film(4)
    rows = [["seeding", b.alternate({"": lambda: b.seeds(b.kith, data)})[""]],
            ["leeching", b.alternate({"": lambda: b.leeches(b.kith, data)}, memory=6 * GIB)[""]]]
    b.discard(data)
    return ["## Memory with one file of 4 GiB", "",
            *table(["kith", "anonymous MiB", "resident MiB"],
                   [[what, f"{median(runs, 'anonymous'):.0f}", f"{median(runs, 'resident'):.0f}"] for what, runs in rows]), ""]


def decisions(b):
    done = subprocess.run([f"{b.build}/bench/decisions"], check=True, capture_output=True, text=True)
    head, *rows = done.stdout.splitlines()
    return ["## What one decision costs, microseconds: mean (worst) (`bench/decisions.c`)", "",
            "Which 16 blocks to ask a peer for, at three moments of a torrent's life; a peer's `have`; one peer's going and",
            "coming, bitfield and all, and the next decision; a round of choking. Only the first pick sorts the pieces.", "",
            *table(head.split("|"), [r.split("|") for r in rows]), ""]
