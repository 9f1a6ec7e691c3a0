"""The runs that scenarios are made of."""
import mmap
import os
import shutil
import sys
import time

from daemons import Rtorrent, Transmission
from data import SMALL, Data
from engines import Aria2, Kith, Libtorrent
from measure import GIB, Measured, free_port, wait_listening
from tracker import Tracker


def touch_memory(size=4 * GIB):
    """A virtual machine's host takes back pages that are free; who touches them first pays seconds a GiB for it.
    `size`: what a run will write, and what its processes need."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    mmap.mmap(-1, max(mmap.PAGESIZE, min(size, free // 2)), flags=flags).close()


class Bench:
    def __init__(self, build, work, rounds):
        self.kith, self.lt, self.aria2 = Kith(f"{build}/src/cli/kith"), Libtorrent(f"{build}/lt_peer"), Aria2()
        self.transmission, self.rtorrent = Transmission(work), Rtorrent(work)
        self.absent = []
        self.engines = self.here(self.kith, self.lt, self.aria2, self.transmission, self.rtorrent)
        self.build, self.work, self.rounds = build, work, rounds
        self.floor, self.ref = f"{build}/bench/floor", f"{build}/bench/ref_peer"
        self.tracker = Tracker()
        self.known, self.hashed = {}, set()
        self.film_gib = float(os.environ.get("SIZE_GIB", "2"))

    def here(self, *engines):
        """Those that are installed. Who is not is told of, and left out."""
        return [e for e in engines if self.installed(e.name, e.binary)]

    def installed(self, name, binary):
        if shutil.which(binary):
            return True
        if name not in self.absent:
            print(f"{name} is not installed ({binary}): it is left out", file=sys.stderr)
            self.absent.append(name)
        return False

    def data(self, name, sizes):
        """Made once."""
        if name not in self.known:
            self.known[name] = Data(self.kith.binary, self.work, name, sizes, self.tracker.url)
        return self.known[name]

    def discard(self, data):
        del self.known[data.root.name]
        data.remove()

    def prepare(self, engine, data):
        """Who remembers from one run to the next what it has hashed does so before it is measured."""
        if (engine, data) in self.hashed or not hasattr(engine, "remember"):
            return
        self.hashed.add((engine, data))
        port = free_port()
        first = Measured(engine.seed(data, port))
        wait_listening(port, first.process)
        first.until_idle(1.5)
        first.stop()
        engine.remember(data)

    def film(self, gib=None):
        gib = gib or self.film_gib
        return self.data(f"film{gib:g}.bin", [int(gib * GIB)])

    def film_for(self, engine, data):
        return data if engine.patience == 1 else self.film(data.size / GIB * engine.patience)

    def small_files_for(self, engine):
        sizes = SMALL[:int(len(SMALL) * engine.patience)]
        return self.data(f"files{len(sizes)}", sizes)

    def out(self, number=0):
        folder = self.work / f"out{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def must_be_same(self, data, engine, folder):
        if not data.same_as(folder):
            raise SystemExit(f"{engine}: the content differs")
        shutil.rmtree(folder)

    def alternate(self, runs, rounds=None, memory=None):
        """Each of `runs` (label: call) once a round; the results by label. `memory`: what a run takes at most, if that is not
        the film twice."""
        memory = memory or int(max(1, 2 * self.film_gib) * GIB)
        results = {label: [] for label in runs}
        for _ in range(rounds or self.rounds):
            for label, call in runs.items():
                self.tracker.forget()
                touch_memory(memory)
                results[label].append(call())
        return results

    # ---- one role, against the same other end

    def seeds(self, engine, data):
        self.prepare(engine, data)
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
        seeder.took, seeder.size = leecher.wall, data.size
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
        leecher.size = data.size
        return leecher

    def floor_pair(self, data, *receiver):
        port = free_port()
        sender = Measured([self.floor, "send", str(data.image), str(port)])
        wait_listening(port, sender.process)
        result = Measured([self.floor, *receiver, str(port)]).must_succeed()
        sender.end()
        sender.took = result.wall
        sender.size = result.size = data.size
        (self.work / "floor.out").unlink(missing_ok=True)
        return sender, result

    # ---- both ends of one engine

    def pair(self, engine, data, mode, leechers=1):
        self.prepare(engine, data)
        port = free_port()
        seeder = Measured(engine.seed(data, port, mode))
        if mode == "utp":
            time.sleep(1)
        else:
            wait_listening(port, seeder.process)
        if not engine.calls:
            self.wait_announced()
        outs = [self.out(i) for i in range(leechers)]
        fetching = [Measured(engine.leech(data, out, free_port(), port, mode)) for out in outs]
        for leecher in fetching:
            leecher.end()
        seeder.stop()
        seeder.took = max(leecher.wall for leecher in fetching)
        for out, end in zip(outs + [None], fetching + [seeder]):
            end.size = data.size
            if out:
                self.must_be_same(data, engine.name, out)
        return seeder, fetching

    def wait_announced(self):
        for _ in range(1000):
            if self.tracker.ports:
                return
            time.sleep(0.01)
        raise SystemExit("a seeder did not tell the tracker")
