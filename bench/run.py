#!/usr/bin/python3
"""kith beside other engines and the machine's floor, in alternating runs.

    bench/run.py BUILD-FOLDER [ROUNDS]        ONLY=plain,create: these scenarios alone

Everything lies in memory (tmpfs). Content is compared in the end. Prints the report; a section that
was measured replaces the old one in docs/performance.md, whose drawings and first table are made anew from what it then tells.
A section that fails says so, the others go on, and the exit code is 1.
    bench/run.py --page     makes drawings and first table anew, and measures nothing
"""
import datetime
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import bars
import curves
import growth
import hashing
import moving
import page
from bench import Bench
from engines import environment
from measure import Measured

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
DRAWINGS = ROOT / "docs" / "performance"
SCENARIOS = {"roles": moving.roles, "plain": moving.pair("plain"), "rc4": moving.pair("rc4"), "utp": moving.pair("utp"),
             "swarm": moving.swarm, "small": moving.small, "create": hashing.creation, "recheck": hashing.recheck,
             "many": growth.many, "peers": growth.peers, "memory": growth.memory, "decisions": growth.decisions, "kernels": hashing.kernels}
SIZES = ("SIZE_GIB", "MANY")  # what makes a section smaller


def machine():
    model = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")][:1]
    flags = next((l for l in open("/proc/cpuinfo") if l.startswith("flags")), "").split()
    has = [name for flag, name in (("sha_ni", "SHA-NI"), ("avx2", "AVX2"), ("avx512bw", "AVX-512")) if flag in flags]
    return (f"{model[0] if model else platform.machine()}, {os.cpu_count()} cores, {', '.join(has) or 'no vectors'}, "
            f"Linux {platform.release()}")


def kith_version(binary):
    version = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True)
    return f"{version} ({commit.stdout.strip()})" if commit.returncode == 0 else version


def measured_by(name, bench, version):
    """How this section came about: the last line of each."""
    command = " ".join(["make bench", f"ONLY={name}", *(f"{v}={os.environ[v]}" for v in SIZES if v in os.environ)])
    rounds = f"{bench.rounds} round{'s' if bench.rounds > 1 else ''}"
    absent = [f"Not installed here: {', '.join(bench.absent)}."] if bench.absent else []
    return " ".join([f"`{command}`, {rounds}, {datetime.date.today()}: {version}; {machine()}.", *absent])


def remembered():
    return page.sections(PAGE.read_text()) if PAGE.exists() else {}


def report(sections):
    lines = ["# Performance", "",
             "Written by `make bench`: medians of alternating runs, whole processes, everything in memory (tmpfs),",
             "content compared in the end. `make bench ONLY=plain` measures one section again; the last line of each",
             "tells how it was measured.", "", *bars.report(sections), ""]
    for name in SCENARIOS:
        if name in sections:
            lines += [f"<!-- {name} -->", *page.with_drawings(sections[name], curves.draw(name, sections[name], DRAWINGS)), ""]
    return "\n".join(lines)


def measure(name, bench, version):
    """The section's lines, or None when it failed: then it has said why, and nothing of it runs any more."""
    begun = time.monotonic()
    try:
        lines = [*SCENARIOS[name](bench), measured_by(name, bench, version)]
        print(f"{name} took {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        return lines
    except (Exception, SystemExit) as e:
        if not isinstance(e, SystemExit):
            traceback.print_exc()
        print(f"section {name} failed: {e}", file=sys.stderr, flush=True)
        Measured.end_all()
        return None


def main():
    if sys.argv[1:] == ["--page"]:
        PAGE.write_text(report(remembered()))
        return 0
    build, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    only = [n for n in os.environ.get("ONLY", "").split(",") if n] or list(SCENARIOS)
    unknown = [n for n in only if n not in SCENARIOS]
    if unknown:
        raise SystemExit(f"no such scenario: {', '.join(unknown)}. There are: {', '.join(SCENARIOS)}")
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    work = pathlib.Path(tempfile.mkdtemp(prefix="kith-bench-", dir=base))
    environment(work)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # gigabytes of memory are not to be left behind
    failed = []
    try:
        bench = Bench(build, work, rounds)
        version = kith_version(bench.kith.binary)  # before the page is written, which would make the tree a changed one
        for name in only:
            lines = measure(name, bench, version)
            if lines is None:
                failed.append(name)
                continue
            print("\n".join(lines), flush=True)
            PAGE.write_text(report({**remembered(), name: lines}))
    finally:
        Measured.end_all()
        shutil.rmtree(work, ignore_errors=True)
    if failed:
        print(f"failed: {', '.join(failed)}; the page keeps what it had of them", file=sys.stderr)
    return 1 if failed else 0


sys.exit(main())
