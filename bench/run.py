#!/usr/bin/python3
"""kith beside other engines and the machine's floor, in alternating runs.

    bench/run.py BUILD-FOLDER [ROUNDS]        ONLY=plain,create: these scenarios alone

Everything lies in memory (tmpfs). Content is compared in the end. Prints the report; a section that
was measured replaces the old one in docs/performance.md.
"""
import os
import pathlib
import platform
import re
import shutil
import sys
import tempfile

import growth
import hashing
import moving
from bench import Bench
from engines import environment

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "performance.md"
SCENARIOS = {"roles": moving.roles, "plain": moving.pair("plain"), "rc4": moving.pair("rc4"), "utp": moving.pair("utp"),
             "swarm": moving.swarm, "small": moving.small, "create": hashing.creation, "recheck": hashing.recheck,
             "many": growth.many, "peers": growth.peers, "decisions": growth.decisions, "kernels": hashing.kernels}


def machine():
    model = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")][:1]
    flags = next((l for l in open("/proc/cpuinfo") if l.startswith("flags")), "").split()
    has = [name for flag, name in (("sha_ni", "SHA-NI"), ("avx2", "AVX2"), ("avx512bw", "AVX-512")) if flag in flags]
    return (f"{model[0] if model else platform.machine()}, {os.cpu_count()} cores, {', '.join(has) or 'no vectors'}, "
            f"Linux {platform.release()}")


def remembered():
    """The sections that the page has: each begins with its name in a comment."""
    parts = re.split(r"(?m)^<!-- (\w+) -->\n", PAGE.read_text()) if PAGE.exists() else [""]
    return {name: text.strip().splitlines() + [""] for name, text in zip(parts[1::2], parts[2::2])}


def report(sections):
    lines = ["# Performance", "",
             "Written by `make bench`: medians of alternating runs, whole processes, everything in memory (tmpfs),",
             "content compared in the end. `make bench ONLY=plain` measures one section again.", "",
             f"Machine: {machine()}.", ""]
    for name in SCENARIOS:
        lines += [f"<!-- {name} -->", *sections[name]] if name in sections else []
    return "\n".join(lines)


def main():
    build, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    only = [n for n in os.environ.get("ONLY", "").split(",") if n] or list(SCENARIOS)
    unknown = [n for n in only if n not in SCENARIOS]
    if unknown:
        raise SystemExit(f"no such scenario: {', '.join(unknown)}. There are: {', '.join(SCENARIOS)}")
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    work = pathlib.Path(tempfile.mkdtemp(prefix="kith-bench-", dir=base))
    environment(work)
    sections = {}
    bench = Bench(build, work, rounds)
    try:
        for name in only:
            sections[name] = [*SCENARIOS[name](bench), f"Rounds: {rounds}.", ""]
            print("\n".join(sections[name]), flush=True)
            PAGE.write_text(report({**remembered(), name: sections[name]}))
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
