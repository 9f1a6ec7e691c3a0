#!/usr/bin/python3
"""A real volume that fills in mid-download, and has room again. Needs root: a loop device is mounted.

    tests/interop/full_disk.py KITH [ROUNDS [SEED]]

The download says what is wrong and where, another one on another volume ends meanwhile, and when
there is room the first goes on by itself to its end, without hashing what it had.
"""
import filecmp
import json
import os
import pathlib
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time

KITH = os.path.abspath(sys.argv[1])
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 1
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 1
SIZE = 16_000_000
VOLUME = 40_000_000
BOUND_S = 120


class Failure(Exception):
    pass


class Volume:
    def __init__(self, work):
        self.image, self.at = work / "image", work / "volume"
        self.at.mkdir()
        with open(self.image, "wb") as f:
            f.truncate(VOLUME)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(self.image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.at)], check=True)

    def fill(self):
        with open(self.at / "filler", "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(65536))
            except OSError:
                pass

    def free(self):
        (self.at / "filler").unlink()

    def close(self):
        subprocess.run(["umount", "-l", str(self.at)], check=False)


def lines(process, until, what):
    """Reports until one of them is what is waited for; all of them."""
    end, seen = time.monotonic() + BOUND_S, []
    while time.monotonic() < end:
        ready, _, _ = select.select([process.stdout], [], [], max(0, end - time.monotonic()))
        text = process.stdout.readline() if ready else b""
        if not text:
            break
        seen.append(json.loads(text))
        if until(seen[-1]):
            return seen
    raise Failure(f"waited in vain for {what}; the last was {seen[-1] if seen else None}")


def get(link, out, log, *options):
    argv = [KITH, "get", link, "-o", str(out), "--exit", "--json", "--listen", "127.0.0.1", "--no-lsd", *options]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=open(log, "wb"))


def run(work, chance):
    os.environ["XDG_STATE_HOME"] = str(work / "state")
    processes, volume = [], Volume(work)
    try:
        source = work / "source" / "Data"
        source.mkdir(parents=True)
        for i in range(3):
            (source / f"{i}.bin").write_bytes(chance.randbytes(SIZE // 3))
        share = subprocess.Popen([KITH, "share", str(source), "--listen", "127.0.0.1", "--no-lsd", "--upload", "4M"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        processes.append(share)
        link = share.stdout.readline().decode().strip()
        full = get(link, volume.at / "out", work / "words", "--sparse")
        processes.append(full)
        wanted = chance.randrange(SIZE // 10, SIZE // 2)
        lines(full, lambda r: r.get("bytes_done", 0) > wanted, "a part of the data")
        volume.fill()
        lines(full, lambda r: r.get("state") == "stopped", "trouble")
        words = (work / "words").read_text()
        if "no space" not in words or str(volume.at) not in words:
            raise Failure(f"what and where is not said: {words}")
        other = get(link, work / "other", work / "other words")
        processes.append(other)
        lines(other, lambda r: r.get("type") == "complete", "the other download to end")
        volume.free()
        seen = lines(full, lambda r: r.get("type") == "complete", "the download to go on by itself")
        if any(r.get("state") == "checking" for r in seen):
            raise Failure("it hashed again what it had")
        if full.wait(BOUND_S) != 0:
            raise Failure(f"exit code {full.returncode}")
        for out in (volume.at / "out", work / "other"):
            _, mismatch, errors = filecmp.cmpfiles(source, out / "Data", ["0.bin", "1.bin", "2.bin"], shallow=False)
            if mismatch or errors:
                raise Failure(f"{out}: {mismatch + errors} differ")
    finally:
        for process in processes:
            process.kill()
            process.wait()
        volume.close()


def main():
    failed = 0
    for i in range(ROUNDS):
        work = pathlib.Path(tempfile.mkdtemp(prefix="kith-full-"))
        try:
            run(work, random.Random(SEED + i))
        except Failure as failure:
            failed += 1
            print(f"not ok - round {SEED + i}: {failure}\n    again: full_disk.py KITH 1 {SEED + i}")
        finally:
            shutil.rmtree(work, ignore_errors=True)
    print(f"{ROUNDS} rounds, seeds {SEED} to {SEED + ROUNDS - 1}: {failed} failed")
    sys.exit(failed > 0)


main()
