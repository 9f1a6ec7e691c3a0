"""Scenarios: data that moves."""
import statistics

from measure import GIB
from table import cost_table, median, table


def roles(b):
    data = b.film()
    out = str(b.work / "floor.out")
    seeders = {e.name: lambda e=e: b.seeds(e, b.film_for(e, data)) for e in b.engines}
    seeders["floor: header and 16 KiB by sendfile"] = lambda: b.floor_pair(data, "drain")[0]
    leechers = {e.name: lambda e=e: b.leeches(e, b.film_for(e, data)) for e in b.engines}
    leechers["floor: OpenSSL, 16 KiB writes"] = lambda: b.floor_pair(data, "receive", "one", out)[1]
    leechers["floor: SHA-1 in lanes, 256 KiB writes"] = lambda: b.floor_pair(data, "receive", "many", out)[1]
    return ["## One role, against the same plain peer (`bench/ref_peer.c`), TCP on loopback", "",
            *cost_table("Seeder", b.alternate(seeders), b.kith.name), "",
            *cost_table("Leecher", b.alternate(leechers), b.kith.name), ""]


# What libtorrent needs minutes for is measured over less.
PAIRS = {"plain": 2, "rc4": 1, "utp": 0.25}


def pair(mode):
    def run(b):
        data = b.film(PAIRS[mode])
        # Transmission takes no peer on loopback from a tracker, so that two of it never meet; it and rtorrent
        # are measured by their roles.
        engines = b.here(b.kith, b.lt, b.aria2) if mode == "plain" else b.here(b.kith, b.lt)
        results = b.alternate({e.name: lambda e=e: b.pair(e, data, mode) for e in engines})
        both = {name: ([s for s, _ in runs], [l[0] for _, l in runs]) for name, runs in results.items()}
        rates = [f"kith's rate is {median(both[e.name][1], 'wall') / median(both[b.kith.name][1], 'wall'):.1f} times "
                 f"libtorrent's." for e in engines if e is b.lt]
        return [f"## One seeder, one leecher, both of one engine, on loopback: {mode}", "",
                *cost_table("Seeder", {name: ends[0] for name, ends in both.items()}, b.kith.name), "",
                *cost_table("Leecher", {name: ends[1] for name, ends in both.items()}, b.kith.name), "",
                *rates, ""]
    return run


def swarm(b):
    data = b.film(0.5)
    # Transmission and rtorrent take one connection from one address.
    engines = b.here(b.kith, b.lt, b.aria2)
    results = b.alternate({e.name: lambda e=e: b.pair(e, data, "plain", 8) for e in engines}, memory=8 * GIB)
    rows = []
    for name, runs in results.items():
        cpu = statistics.median(s.cpu + sum(x.cpu for x in l) for s, l in runs)
        wall = statistics.median(max(x.wall for x in l) for _, l in runs)
        rows.append([name, f"{cpu * GIB / data.size / 8:.2f}", f"{8 * data.size / 1e9 / wall:.2f}"])
    return ["## One seeder, eight leechers that trade, 0.5 GiB each", "",
            *table(["", "all CPU s/GiB delivered", "GB/s delivered"], rows), ""]


def small(b):
    data = b.small_files_for(b.kith)
    seeders = b.alternate({e.name: lambda e=e: b.seeds(e, b.small_files_for(e)) for e in b.engines})
    leechers = b.alternate({e.name: lambda e=e: b.leeches(e, b.small_files_for(e)) for e in b.engines})
    return [f"## 20,000 small files ({data.size / 1e6:.0f} MB), against the plain peer", "",
            *cost_table("Seeder", seeders, b.kith.name), "",
            *cost_table("Leecher", leechers, b.kith.name), "",
            "Transmission lets a peer wait for ten seconds and more: it has an eighth of them.", ""]
