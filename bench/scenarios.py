"""What is measured. A scenario takes a Bench and returns the lines of its section of the report."""
import os
import shutil
import statistics
import subprocess
import time

from engines import Aria2
from measure import GIB, Data, Measured, free_port, wait_listening


def median(runs, what):
    return statistics.median(getattr(r, what) for r in runs)


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)] + ["| " + " | ".join(r) + " |" for r in rows]


def role_row(label, runs, size):
    gib = size / GIB
    wall = statistics.median(getattr(r, "took", r.wall) for r in runs)
    return [label, f"{median(runs, 'cpu') / gib:.2f}", f"{size / 1e9 / wall:.2f}", f"{median(runs, 'anonymous'):.0f}",
            f"{median(runs, 'resident'):.0f}", f"{median(runs, 'faults') / gib:.0f}",
            f"{median(runs, 'switches') / gib:.0f}"]


ROLE_HEAD = ["", "CPU s/GiB", "GB/s", "anonymous MiB", "resident MiB", "faults/GiB", "switches/GiB"]


class Bench:
    def __init__(self, kith, lt, build, work, rounds):
        self.kith, self.lt, self.aria2 = kith, lt, Aria2()
        self.floor, self.ref = f"{build}/bench/floor", f"{build}/bench/ref_peer"
        self.work, self.rounds = work, rounds
        self.known = {}

    def data(self, name, sizes):
        """Made once; kith remembers that its seeder's data was hashed, the others are told so."""
        if name not in self.known:
            data = self.known[name] = Data(self.kith.binary, self.work, name, sizes)
            port = free_port()
            first = Measured(self.kith.seed(data, port))
            wait_listening(port, first.process)
            time.sleep(1)
            while first.cpu_so_far() > getattr(first, "last", 0):
                first.last = first.cpu_so_far()
                time.sleep(1)
            first.stop()
        return self.known[name]

    def film(self):
        return self.data("film.bin", [int(float(os.environ.get("SIZE_GIB", "2")) * GIB)])

    def out(self, number=0):
        folder = self.work / f"out{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def must_be_same(self, data, engine, folder):
        if not data.same_as(folder):
            raise SystemExit(f"{engine}: the content differs")
        shutil.rmtree(folder)

    def alternate(self, runs):
        """Each of `runs` (label: call) once a round; the results by label."""
        results = {label: [] for label in runs}
        for _ in range(self.rounds):
            for label, call in runs.items():
                results[label].append(call())
        return results

    # ---- one role, against the same other end

    def seeds(self, engine, data):
        port = free_port()
        seeder = Measured(engine.seed(data, port))
        wait_listening(port, seeder.process)
        for _ in range(100):  # it may listen before it has looked at its files
            leecher = Measured([self.ref, "leech", str(data.torrent), str(port)]).end()
            if leecher.process.returncode == 0:
                break
            time.sleep(0.1)
        else:
            raise SystemExit(f"{engine.name} does not seed")
        seeder.stop()
        seeder.took = leecher.wall
        return seeder

    def leeches(self, engine, data):
        port, seeder_port, out = free_port(), free_port(), self.out()
        argv = [self.ref, "seed", str(data.torrent), str(data.image)]
        if engine.calls:
            seeder = Measured(argv + ["listen", str(seeder_port)])
            wait_listening(seeder_port, seeder.process)
            leecher = Measured(engine.leech(data, out, port, seeder_port))
        else:
            leecher = Measured(engine.leech(data, out, port, seeder_port))
            wait_listening(port, leecher.process)
            seeder = Measured(argv + ["connect", str(port)])
        leecher.end()
        seeder.stop()
        self.must_be_same(data, engine.name, out)
        return leecher

    def floor_pair(self, data, *receiver):
        port = free_port()
        sender = Measured([self.floor, "send", str(data.image), str(port)])
        wait_listening(port, sender.process)
        result = Measured([self.floor, *receiver, str(port)]).must_succeed()
        sender.end()
        sender.took = result.wall
        (self.work / "floor.out").unlink(missing_ok=True)
        return sender, result

    # ---- both ends of one engine

    def pair(self, engine, data, mode, leechers=1):
        port = free_port()
        seeder = Measured(engine.seed(data, port, mode))
        if mode == "utp":
            time.sleep(1)
        else:
            wait_listening(port, seeder.process)
        outs = [self.out(i) for i in range(leechers)]
        fetching = [Measured(engine.leech(data, out, free_port(), port, mode)) for out in outs]
        for leecher in fetching:
            leecher.end()
        seeder.stop()
        for out in outs:
            self.must_be_same(data, engine.name, out)
        return seeder, fetching


def roles(b):
    data = b.film()
    engines = (b.kith, b.lt, b.aria2)
    runs = {f"{e.name}": lambda e=e: b.seeds(e, data) for e in engines}
    runs["floor: header and 16 KiB by sendfile"] = lambda: b.floor_pair(data, "drain")[0]
    seeders = b.alternate(runs)
    runs = {f"{e.name}": lambda e=e: b.leeches(e, data) for e in engines}
    out = str(b.work / "floor.out")
    runs["floor: OpenSSL, 16 KiB writes"] = lambda: b.floor_pair(data, "receive", "one", out)[1]
    runs["floor: SHA-1 in lanes, 256 KiB writes"] = lambda: b.floor_pair(data, "receive", "many", out)[1]
    leechers = b.alternate(runs)
    lines = ["## One role, against the same plain peer (`bench/ref_peer.c`), TCP on loopback", ""]
    for role, results in (("Seeder", seeders), ("Leecher", leechers)):
        rows = [role_row(label, r, data.size) for label, r in results.items()]
        ours = median(results[b.kith.name], "cpu")
        for row in rows:
            row.append(f"{ours / median(results[row[0]], 'cpu'):.2f}")
        lines += table([role] + ROLE_HEAD[1:] + ["kith's CPU / this"], rows) + [""]
    return lines


def pairs(b):
    data = b.film()
    lines = ["## One seeder, one leecher, both of one engine, on loopback", ""]
    head = ["", "seeder CPU s/GiB", "leecher CPU s/GiB", "GB/s", "seeder anonymous MiB", "leecher anonymous MiB"]
    rows = []
    for mode in b.modes:
        results = b.alternate({e.name: lambda e=e: b.pair(e, data, mode) for e in (b.kith, b.lt)})
        both = {}
        for name, runs in results.items():
            seed, leech = [s for s, _ in runs], [l[0] for _, l in runs]
            gib = data.size / GIB
            both[name] = (median(seed, "cpu") / gib, median(leech, "cpu") / gib, data.size / 1e9 / median(leech, "wall"))
            rows.append([f"{mode}: {name}"] + [f"{x:.2f}" for x in both[name]] +
                        [f"{median(seed, 'anonymous'):.0f}", f"{median(leech, 'anonymous'):.0f}"])
        rows.append([f"{mode}: ratio"] + [f"{x / y:.2f}" for x, y in zip(both[b.kith.name], both[b.lt.name])] + ["", ""])
    return lines + table(head, rows) + [""]


def swarm(b):
    data = b.data("half.bin", [GIB // 2])
    results = b.alternate({e.name: lambda e=e: b.pair(e, data, "plain", 8) for e in (b.kith, b.lt)})
    rows = []
    for name, runs in results.items():
        cpu = statistics.median(s.cpu + sum(x.cpu for x in l) for s, l in runs)
        wall = statistics.median(max(x.wall for x in l) for _, l in runs)
        rows.append([name, f"{cpu * GIB / data.size / 8:.2f}", f"{8 * data.size / 1e9 / wall:.2f}"])
    return ["## One seeder, eight leechers that trade, 0.5 GiB each", ""] + table(
        ["", "all CPU s/GiB delivered", "GB/s delivered"], rows) + [""]


def small(b):
    data = b.data("many", [4096 + i % 16 * 4096 for i in range(20000)])
    engines = (b.kith, b.aria2)
    seeders = b.alternate({e.name: lambda e=e: b.seeds(e, data) for e in engines})
    leechers = b.alternate({e.name: lambda e=e: b.leeches(e, data) for e in engines})
    rows = [role_row(f"seeder: {n}", r, data.size) for n, r in seeders.items()]
    rows += [role_row(f"leecher: {n}", r, data.size) for n, r in leechers.items()]
    return [f"## 20,000 small files ({data.size / 1e6:.0f} MB), against the plain peer", ""] + table(ROLE_HEAD, rows) + [""]


def hashing(b):
    data = b.film()
    made = b.work / "made.torrent"
    kith = b.kith.binary

    def create(kind):
        return lambda: Measured([kith, "create", str(data.root), "-o", str(made), "-q", "--format", kind, "-s", "2M",
                                 "--force"]).must_succeed()

    def other(argv, *clean):
        def run():
            for path in clean:
                path.unlink(missing_ok=True)
            return Measured(argv).must_succeed()
        return run

    runs = {f"kith, {kind}": create(kind) for kind in ("v1", "v2", "hybrid")}
    for kind in ("v1", "v2", "hybrid"):
        runs[f"libtorrent 2.0.8, {kind}"] = other([b.lt.binary, "create", kind, str(2 << 20), str(data.root)])
    runs["mktorrent 1.1, v1"] = other(["mktorrent", "-l", "21", "-t", "2", "-o", str(made), str(data.root)], made)
    runs["transmission-create 3.00, v1"] = other(
        ["transmission-create", "-s", "2048", "-o", str(made), str(data.root)], made)
    results = b.alternate(runs)
    checks = {}
    for kind in ("v1", "v2", "hybrid"):
        torrent = b.work / f"check-{kind}.torrent"
        subprocess.run([kith, "create", str(data.root), "-o", str(torrent), "-q", "--format", kind, "-s", "2M", "--force"],
                       check=True)
        checks[f"kith, {kind}"] = other([kith, "verify", str(torrent), str(data.folder), "-q"])
    checks["libtorrent 2.0.8, v1"] = other([b.lt.binary, "check", str(data.torrent), str(data.folder)])
    checked = b.alternate(checks)
    lines = ["## Creation and recheck, all cores, warm", ""]
    rows = []
    for what, part in (("create", results), ("recheck", checked)):
        for label, r in part.items():
            rows.append([f"{what}: {label}", f"{median(r, 'cpu') * GIB / data.size:.2f}",
                         f"{data.size / 1e9 / median(r, 'wall'):.2f}", f"{median(r, 'anonymous'):.0f}"])
    return lines + table(["", "CPU s/GiB", "GB/s", "anonymous MiB"], rows) + [""] + small_creation(b)


def small_creation(b):
    data = b.data("many", [4096 + i % 16 * 4096 for i in range(20000)])
    made = b.work / "made.torrent"
    piece = 262144
    results = b.alternate({
        "kith, hybrid": lambda: Measured([b.kith.binary, "create", str(data.root), "-o", str(made), "-q", "-s", "256K",
                                          "--force"]).must_succeed(),
        "libtorrent 2.0.8, hybrid": lambda: Measured([b.lt.binary, "create", "hybrid", str(piece),
                                                      str(data.root)]).must_succeed()})
    rows = [[label, f"{median(r, 'cpu') * GIB / data.size:.2f}", f"{data.size / 1e9 / median(r, 'wall'):.2f}"]
            for label, r in results.items()]
    return ["Creation over 20,000 small files:", ""] + table(["", "CPU s/GiB", "GB/s"], rows) + [""]


def peers(b):
    """Connected peers that want and get nothing: memory and idle CPU."""
    data, seconds, count = b.film(), 10, 400
    port = free_port()
    seeder = Measured(b.kith.seed(data, port))
    wait_listening(port, seeder.process)
    time.sleep(1)
    before = seeder.anonymous
    holder = subprocess.Popen([b.ref, "hold", str(data.torrent), str(count), str(port)], stdout=subprocess.PIPE)
    holder.stdout.readline()
    time.sleep(2)
    begun = seeder.cpu_so_far()
    time.sleep(seconds)
    idle = (seeder.cpu_so_far() - begun) / seconds
    after = seeder.anonymous
    holder.terminate()
    holder.wait()
    seeder.stop()
    return [f"## {count} connected peers that ask for nothing", "",
            f"kith: {(after - before) * 1024 / count:.1f} KiB of anonymous memory each, {idle * 100:.1f} % of a core.", ""]


SCENARIOS = {"roles": roles, "pair": pairs, "swarm": swarm, "small": small, "hashing": hashing, "peers": peers}
