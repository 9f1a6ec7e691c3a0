#!/usr/bin/python3
"""kith beside other engines and the machine's floor, in alternating runs.

    bench/run.py BUILD-FOLDER [ROUNDS]        ONLY=plain,create: these scenarios alone

Everything lies in memory (tmpfs). Content is compared in the end. Prints the report; a section that
was measured replaces the old one in docs/performance.md.
"""
import json
import os
import pathlib
import platform
import shutil
import sys
import tempfile

import growth
import hashing
import moving
from bench import Bench
from engines import environment

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCENARIOS = {"roles": moving.roles, "plain": moving.pair("plain"), "rc4": moving.pair("rc4"), "utp": moving.pair("utp"),
             "swarm": moving.swarm, "small": moving.small, "create": hashing.creation, "recheck": hashing.recheck,
             "many": growth.many, "peers": growth.peers, "decisions": growth.decisions, "kernels": hashing.kernels}


def machine():
    model = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")][:1]
    flags = next((l for l in open("/proc/cpuinfo") if l.startswith("flags")), "").split()
    has = [name for flag, name in (("sha_ni", "SHA-NI"), ("avx2", "AVX2"), ("avx512bw", "AVX-512")) if flag in flags]
    return (f"{model[0] if model else platform.machine()}, {os.cpu_count()} cores, {', '.join(has) or 'no vectors'}, "
            f"Linux {platform.release()}")


def report(sections):
    lines = ["# Performance", "",
             "Written by `make bench`: medians of alternating runs, whole processes, everything in memory (tmpfs),",
             "content compared in the end. `make bench ONLY=plain` measures one section again.", "",
             f"Machine: {machine()}.", ""]
    for name in SCENARIOS:
        lines += sections.get(name, [])
    return "\n".join(lines)


def main():
    build, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    only = [n for n in os.environ.get("ONLY", "").split(",") if n] or list(SCENARIOS)
    unknown = [n for n in only if n not in SCENARIOS]
    if unknown:
        raise SystemExit(f"no such scenario: {', '.join(unknown)}. There are: {', '.join(SCENARIOS)}")
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    work = pathlib.Path(tempfile.mkdtemp(prefix="kith-bench-", dir=base))
    kept = pathlib.Path(build) / "bench-sections.json"
    sections = json.loads(kept.read_text()) if kept.exists() else {}
    environment(work)
    bench = Bench(build, work, rounds)
    try:
        for name in only:
            sections[name] = [*SCENARIOS[name](bench), f"Rounds: {rounds}.", ""]
            print("\n".join(sections[name]), flush=True)
            kept.write_text(json.dumps(sections))
        (ROOT / "docs" / "performance.md").write_text(report(sections))
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
