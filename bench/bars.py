"""What was to be reached, and what was: the first table of docs/performance.md, out of the tables below it."""
from page import tables
from table import table

LT, ARIA2, TRANSMISSION = "libtorrent", "aria2", "Transmission"
CPU, RATE = "CPU s/GiB", "GB/s"
SECONDS_PER_GIB_AT_1 = 2**30 / 1e9  # of a rate of 1 GB/s


class Bar:
    """`reached` is a number or None; it must not be above `most`, or not below `least`."""

    def __init__(self, what, reached, most=None, least=None, strict=False, unit=""):
        self.what, self.reached, self.most, self.least, self.strict, self.unit = what, reached, most, least, strict, unit

    def met(self):
        if self.most is not None:
            return self.reached < self.most if self.strict else self.reached <= self.most
        return self.reached > self.least if self.strict else self.reached >= self.least

    def row(self, section):
        bound = self.most if self.most is not None else self.least
        words = ("under" if self.strict else "at most") if self.most is not None else ("over" if self.strict else "at least")
        if self.reached is None:
            return [section, self.what, f"{words} {bound:g}{self.unit}", "-", "not measured"]
        return [section, self.what, f"{words} {bound:,g}{self.unit}", f"{short(self.reached)}{self.unit}",
                "yes" if self.met() else "**no**"]


def short(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def over(a, b):
    return None if a is None or not b else a / b


def ratio(found, title, ours, theirs):
    return over(found.cell(title, ours), found.cell(title, theirs))


def roles(t):
    seeder, leecher = t
    return [Bar("seeder: CPU / libtorrent's", ratio(seeder, CPU, "kith", LT), 0.20),
            Bar("seeder: CPU / the floor's", ratio(seeder, CPU, "kith", "floor: header"), 1.5),
            Bar("leecher: CPU / libtorrent's", ratio(leecher, CPU, "kith", LT), 0.25),
            Bar("leecher: CPU / the floor's with the same hashing", ratio(leecher, CPU, "kith", "floor: SHA-1 in lanes"), 1.3)]


def plain(t):
    return [Bar("rate", t[1].cell(RATE, "kith"), least=1, unit=" GB/s"),
            Bar("rate / libtorrent's", ratio(t[1], RATE, "kith", LT), least=4)]


def cpu_of_both(most):
    return lambda t: [Bar(f"{end}: CPU / libtorrent's", ratio(found, CPU, "kith", LT), most)
                      for end, found in zip(("seeder", "leecher"), t)]


def utp(t):
    return [*cpu_of_both(0.15)(t), Bar("rate / libtorrent's", ratio(t[1], RATE, "kith", LT), least=15)]


def swarm(t):
    cpu, rate = "all CPU s/GiB delivered", "GB/s delivered"
    return [Bar("CPU / libtorrent's", ratio(t[0], cpu, "kith", LT), 0.3),
            Bar("CPU / aria2's", ratio(t[0], cpu, "kith", ARIA2), 1, strict=True),
            Bar("rate / aria2's", ratio(t[0], rate, "kith", ARIA2), least=1, strict=True)]


def small(t):
    return [bar for end, found in zip(("seeder", "leecher"), t)
            for bar in (Bar(f"{end}: CPU / aria2's", ratio(found, CPU, "kith", ARIA2), 1, strict=True),
                        Bar(f"{end}: rate / aria2's", ratio(found, RATE, "kith", ARIA2), least=1, strict=True))]


def create(t):
    one, many = t
    others = [one.value(row, CPU) for row in one.rows if not row[0].startswith(("kith", "floor")) and row[0].endswith(", v1")]
    lt_v1 = next((one.value(row, CPU) for row in one.rows if row[0].startswith(LT) and row[0].endswith(", v1")), None)
    return [Bar("v1: CPU / the best other's", over(one.cell(CPU, "kith, v1"), min(others, default=None)), 0.35),
            Bar("v2: CPU / libtorrent's v1", over(one.cell(CPU, "kith, v2"), lt_v1), 0.45),
            Bar("hybrid: CPU / libtorrent's v1", over(one.cell(CPU, "kith, hybrid"), lt_v1), 0.35),
            Bar("hybrid, 20,000 files: CPU / libtorrent's", ratio(many, CPU, "kith, hybrid", LT), 0.2)]


def recheck(t):
    kith = t[0].row("kith, v1")
    busy = kith and t[0].value(kith, CPU) * t[0].value(kith, RATE) / SECONDS_PER_GIB_AT_1
    return [Bar("CPU / Transmission's", ratio(t[0], CPU, "kith, v1", TRANSMISSION), 0.35),
            Bar("cores busy, of two, start and end included", busy, least=1.6)]


def worst(found, title, count):
    """Of kith's rows for so many torrents."""
    values = [found.value(r, title) for r in found.rows if r[0] == count and r[1].startswith("kith")]
    return max((v for v in values if v is not None), default=None)


def many(t):
    seeds, awake = t[:2]
    bars = []
    for count in ("10,000", "100,000"):
        bars += [Bar(f"{count}: ready / libtorrent's time", over(worst(seeds, "ready s", count), seeds.cell("ready s", count, LT)),
                     0.5),
                 Bar(f"{count}: memory each", worst(seeds, "bytes each", count), 1024, unit=" bytes")]
    return [*bars, Bar("100,000: idle CPU", worst(seeds, "idle CPU %", "100,000"), 0.5, strict=True, unit=" %"),
            Bar("100,000: stop / libtorrent's time", over(worst(seeds, "stop s", "100,000"),
                                                         seeds.cell("stop s", "100,000", LT)), 0.5),
            Bar("10,000 that look for data: memory each", awake.cell("KiB each", "10,000", "UDP"), 8, unit=" KiB")]


def memory(t):
    return [Bar("seeding 4 GiB: anonymous", t[0].cell("anonymous MiB", "seeding"), 16, strict=True, unit=" MiB"),
            Bar("leeching 4 GiB: anonymous", t[0].cell("anonymous MiB", "leeching"), 64, strict=True, unit=" MiB")]


def decisions(t):
    picks = [t[0].cell(title, "100000", "1000") for title in t[0].head if title.startswith("pick,")]
    return [Bar("a pick, 100,000 pieces and 1,000 peers", max((p for p in picks if p is not None), default=None), 10,
                strict=True, unit=" us")]


def kernels(t):
    """Where a kernel was chosen instead of OpenSSL, the worst of all machines that were tried."""
    ratios = [over(found.value(row, "chosen"), found.value(row, "OpenSSL")) for found in t for row in found.rows
              if row[-1] != "OpenSSL"]
    return [Bar("what is chosen / OpenSSL, the least", min(ratios, default=None), least=1)]


SECTIONS = {"roles": roles, "plain": plain, "rc4": cpu_of_both(0.4), "utp": utp, "swarm": swarm, "small": small,
            "create": create, "recheck": recheck, "many": many, "memory": memory, "decisions": decisions, "kernels": kernels}


def report(sections):
    rows = []
    for name, bars in SECTIONS.items():
        if name in sections:
            link = f"[{name}](#{anchor(sections[name])})"
            rows += [bar.row("" if i else link) for i, bar in enumerate(bars(tables(sections[name])))]
        else:
            rows.append([name, "", "", "-", "not measured"])
    return ["## What was to be reached", "", "Each bar that was set for kith, and where it stands: made out of the tables below.", "",
            *table(["section", "what", "asked", "reached", "met"], rows)]


def anchor(lines):
    """Of the section's heading, as GitHub makes it."""
    title = lines[0].lstrip("# ").lower()
    return "".join(c for c in title.replace(" ", "-") if c.isalnum() or c in "-_")
