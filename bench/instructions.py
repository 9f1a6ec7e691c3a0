#!/usr/bin/python3
"""Instructions a MiB of the hot paths, counted by callgrind: a guard against regressions that no
noise of the machine can hide. Kernel work is not in it (`strace -c` shows that), nor the hashing.

    bench/instructions.py KITH REF_PEER UTP_PAIR [--write]

One role at a time under callgrind against the plain peer, over TCP. uTP, whose course would depend on how slow callgrind
is, runs in virtual time: both ends without the node around them (utp_pair.c). A base run of one size is taken off one of
a larger size, so that start and end do not count. Fails when a role needs TOLERANCE more than the
committed baseline (bench/instructions.json); --write makes the baseline anew.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from engines import Kith, environment
from data import Data
from measure import free_port, wait_listening

KITH, REF, UTP_PAIR = (os.path.abspath(name) for name in sys.argv[1:4])
BASELINE = pathlib.Path(__file__).with_name("instructions.json")
TOLERANCE = 0.15
SIZES = (32, 96)  # MiB
MIB = 1 << 20


def total(out):
    """All but the hashing, of which the machine decides how it is done."""
    text = subprocess.run(["callgrind_annotate", "--threshold=100", str(out)], capture_output=True, text=True).stdout
    lines = re.findall(r"^ *([\d,]+) \([ \d.]+%\) +(\S.*)$", text, re.M)
    return sum(int(n.replace(",", "")) for n, where in lines
               if "PROGRAM TOTALS" not in where and not re.search(r"libcrypto|sha(1|256)_lanes", where))


def count(argv, work, other_end, port):
    """Runs argv under callgrind; other_end() is called once it listens, if it is to."""
    out = work / "callgrind.out"
    tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
    process = subprocess.Popen(tool + argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if other_end:
        wait_listening(port, process)
        other_end()
        process.terminate()
    process.wait(timeout=600)
    return total(out)


def seeder(kith, data, work):
    port = free_port()
    argv = kith.seed(data, port)

    def fetch():
        for _ in range(600):  # it may listen before it has looked at its files
            if subprocess.run([REF, "leech", str(data.torrent), str(port)], stderr=subprocess.DEVNULL).returncode == 0:
                return
        raise SystemExit("the seeder does not seed")

    return count(argv, work, fetch, port)


def leecher(kith, data, work):
    port, out = free_port(), work / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    peer = subprocess.Popen([REF, "seed", str(data.torrent), str(data.image), "listen", str(port)])
    wait_listening(port, peer)
    instructions = count(kith.leech(data, out, free_port(), port), work, None, 0)
    peer.wait()
    if not data.same_as(out):
        raise SystemExit("the content differs")
    return instructions


def utp(size, work):
    argv = [UTP_PAIR, str(size)]
    subprocess.run(argv, check=True)
    return count(argv, work, None, 0)


def measure(work):
    kith = Kith(KITH)
    totals = {"seeder": [], "leecher": [], "uTP, both ends": []}
    for size in SIZES:
        data = Data(KITH, work, f"film{size}.bin", [size * MIB], "http://127.0.0.1:1/announce")
        subprocess.run(kith.seed(data, free_port()) + ["--exit"], check=True, stdout=subprocess.DEVNULL)
        totals["seeder"].append(seeder(kith, data, work))
        totals["leecher"].append(leecher(kith, data, work))
        totals["uTP, both ends"].append(utp(size, work))
    return {role: round((n[1] - n[0]) / (SIZES[1] - SIZES[0])) for role, n in totals.items()}


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="kith-instructions-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    environment(work)
    try:
        found = measure(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if "--write" in sys.argv:
        BASELINE.write_text(json.dumps(found, indent=2) + "\n")
    expected = json.loads(BASELINE.read_text())
    worse = False
    for role, n in found.items():
        worse |= n > expected[role] * (1 + TOLERANCE)
        print(f"{role}: {n:,} instructions a MiB, {n / expected[role] - 1:+.1%} of the baseline")
    raise SystemExit(worse)


main()
