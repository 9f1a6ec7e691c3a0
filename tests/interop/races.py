#!/usr/bin/python3
"""Downloads with a kith that ThreadSanitizer watches.

    tests/interop/races.py KITH

KITH is built with -Db_sanitize=thread: it ends with status 66 where two threads met at a place in memory unordered.
Each carrier of data has paths of its own between the loop and the workers, and so have one large file and many small
ones; the second run finds its data on the disk and hashes it.
"""
import filecmp
import os
import pathlib
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile

KITH = os.path.abspath(sys.argv[1])
LARGE, SMALL, FILES = 64_000_000, 20_000, 200
BOUND_S = 300
QUIET = ["--listen", "127.0.0.1", "--no-lsd", "--no-dht", "--no-port-mapping"]
CARRIERS = {
    "plaintext": ["--encryption", "off", "--no-utp"],
    "RC4": ["--encryption", "require", "--no-utp"],
    "uTP": ["--encryption", "off", "--no-tcp"],
}


def kith(*argv, **more):
    # Without a fixed layout of memory older ThreadSanitizers do not start on newer kernels.
    return subprocess.Popen(["setarch", "--addr-no-randomize", KITH, *argv], stderr=subprocess.PIPE, text=True, **more)


def finish(process, allowed):
    """What went wrong, in words; "" if nothing did."""
    try:
        _, said = process.communicate(timeout=BOUND_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return f"did not end within {BOUND_S} s"
    return "" if process.returncode in allowed else f"exit {process.returncode}: {said[-4000:]}"


def first_line(process):
    ready, _, _ = select.select([process.stdout], [], [], BOUND_S)
    return process.stdout.readline().strip() if ready else ""


def make_source(folder):
    chance = random.Random(1)
    folder.mkdir(parents=True)
    (folder / "large.bin").write_bytes(chance.randbytes(LARGE))
    for i in range(FILES):
        (folder / f"{i}.bin").write_bytes(chance.randbytes(SMALL + i))


def same(a, b):
    names = sorted(os.listdir(a))
    _, mismatch, errors = filecmp.cmpfiles(a, b, names, shallow=False)
    return "" if not mismatch + errors else f"{len(mismatch + errors)} files differ"


def carry(work, source, options):
    """One share, a download of it, and a look at what is there with nothing remembered."""
    out = work / "out"
    share = kith("share", str(source), *QUIET, *options, stdout=subprocess.PIPE)
    link = first_line(share)
    get = ["get", link, "-o", str(out), "--exit", *QUIET, *options]
    wrong = finish(kith(*get), [0]) or same(source, out / source.name)
    shutil.rmtree(work / "state" / "kith", ignore_errors=True)
    wrong = wrong or finish(kith(*get), [0])
    share.send_signal(signal.SIGINT)
    wrong = finish(share, [0, 7]) or wrong
    shutil.rmtree(out, ignore_errors=True)
    return wrong


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="kith-races-"))
    os.environ["XDG_STATE_HOME"] = str(work / "state")
    failed = 0
    try:
        make_source(work / "Data")
        for name, options in CARRIERS.items():
            wrong = carry(work, work / "Data", options)
            failed += wrong != ""
            print(f"not ok - {name}: {wrong}" if wrong else f"ok - {name}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{len(CARRIERS) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
