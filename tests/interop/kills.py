#!/usr/bin/python3
"""A real download that is killed with SIGKILL at random points, again and again.

    tests/interop/kills.py KITH [KILLS [SEED]]

After each death every piece that the next run vouches for without hashing it must be right on the
disk, nothing of what was there before is lost, and in the end everything is there.
"""
import filecmp
import json
import os
import pathlib
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

KITH = os.path.abspath(sys.argv[1])
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 12
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 1
SIZE = 24_000_000
BOUND_S = 120


def read_until(process, seconds):
    """The last that it said within so many seconds of its first word, or before its end."""
    last = json.loads(line(process) or b"{}")
    end = time.monotonic() + seconds
    while last.get("type") != "complete":
        ready, _, _ = select.select([process.stdout], [], [], max(0, end - time.monotonic()))
        text = process.stdout.readline() if ready else b""
        if not text:
            break
        last = json.loads(text)
    return last


def line(process):
    ready, _, _ = select.select([process.stdout], [], [], BOUND_S)
    return process.stdout.readline() if ready else b""


def main():
    chance = random.Random(SEED)
    work = pathlib.Path(tempfile.mkdtemp(prefix="kith-kills-"))
    os.environ["XDG_STATE_HOME"] = str(work / "state")
    os.environ["KITH_NO_LSD"] = os.environ["KITH_NO_PORT_MAPPING"] = "1"
    os.environ["KITH_NO_DHT"] = "1"
    source, out = work / "source" / "Data", work / "out"
    source.mkdir(parents=True)
    for i in range(4):
        (source / f"{i}.bin").write_bytes(chance.randbytes(SIZE // 4 + i))
    rate = max(200_000, int(SIZE / (0.5 * KILLS + 2)))
    share = subprocess.Popen([KITH, "share", str(source), "--listen", "127.0.0.1", "--upload", str(rate)],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    kills, wrong, known = 0, 0, 0
    try:
        link = line(share).decode().strip()
        argv = [KITH, "get", link, "-o", str(out), "--exit", "--json", "--listen", "127.0.0.1"]
        while True:
            get = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            last = read_until(get, chance.uniform(0.02, 0.7) if kills < KILLS else BOUND_S)
            if last.get("type") == "complete":
                get.wait(timeout=BOUND_S)
                break
            get.send_signal(signal.SIGKILL)
            get.wait()
            kills += 1
            # What was verified and reported was written: it is found again, without the network.
            if last.get("bytes_done", 0) + SIZE // 8 < known:
                wrong += 1
                print(f"not ok - kill {kills}: {last.get('bytes_done')} bytes left of {known}")
            known = max(known, last.get("bytes_done", 0)) if last.get("state") == "getting" else known
        match, mismatch, errors = filecmp.cmpfiles(source, out / "Data", [f"{i}.bin" for i in range(4)], shallow=False)
        if mismatch or errors:
            wrong += 1
            print(f"not ok - in the end {mismatch + errors} differ")
    finally:
        share.kill()
        share.wait()
        shutil.rmtree(work, ignore_errors=True)
    print(f"{kills} kills, {wrong} failed")
    sys.exit(wrong > 0)


main()
