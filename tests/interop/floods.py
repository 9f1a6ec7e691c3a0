#!/usr/bin/python3
"""A sharer with 256 descriptors, and thousands of callers that say nothing, or half a greeting.

    tests/interop/floods.py KITH [CONNECTIONS]

Whoever wants the data gets it meanwhile, what is remembered is saved, and the next run need not hash.
"""
import filecmp
import os
import pathlib
import random
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

KITH = os.path.abspath(sys.argv[1])
CONNECTIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
DESCRIPTORS = 256
BOUND_S = 120


class Failure(Exception):
    pass


class Flood(threading.Thread):
    """Opens connections one after the other, and keeps the last so many of them."""

    def __init__(self, port, held):
        super().__init__(daemon=True)
        self.port, self.held, self.made, self.stopping = port, held, 0, False

    def run(self):
        chance, kept = random.Random(1), []
        while not self.stopping and self.made < CONNECTIONS:
            s = socket.socket()
            s.settimeout(5)
            try:
                s.connect(("127.0.0.1", self.port))
                if self.made % 2:
                    s.send(chance.choice([b"\x13BitTorrent prot", chance.randbytes(40)]))
            except OSError:
                pass
            self.made += 1
            kept.append(s)
            if len(kept) > self.held:
                kept.pop(0).close()
        while not self.stopping:
            time.sleep(0.01)
        for s in kept:
            s.close()


def limit():
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def line(process):
    ready, _, _ = select.select([process.stdout], [], [], BOUND_S)
    text = process.stdout.readline().decode().strip() if ready else ""
    if not text:
        raise Failure("no link")
    return text


def share(source, port, log):
    argv = [KITH, "share", str(source), "--listen", "127.0.0.1", "--port", str(port), "--no-lsd", "-v"]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=open(log, "wb"), preexec_fn=limit)


def run(work):
    os.environ["XDG_STATE_HOME"] = str(work / "state")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    source = work / "source" / "Data"
    source.mkdir(parents=True)
    for i in range(40):
        (source / f"{i}.bin").write_bytes(random.Random(i).randbytes(100_000))
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    sharer = share(source, port, work / "words")
    flood = None
    try:
        link = line(sharer)
        flood = Flood(port, 1000)
        flood.start()
        fetched = 0
        end = time.monotonic() + BOUND_S
        while fetched < 3 or flood.made < CONNECTIONS:
            out = work / f"out-{fetched}"
            get = subprocess.run([KITH, "get", link, "-o", str(out), "--exit", "--no-lsd", "--listen", "127.0.0.1"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=BOUND_S, check=False)
            if get.returncode != 0:
                raise Failure(f"get {fetched}: exit code {get.returncode}: {get.stderr[-300:]}")
            _, mismatch, errors = filecmp.cmpfiles(source, out / "Data", os.listdir(source), shallow=False)
            if mismatch or errors:
                raise Failure(f"get {fetched}: {mismatch + errors} differ")
            shutil.rmtree(out)
            fetched += 1
            if time.monotonic() > end:
                raise Failure(f"only {flood.made} connections in {BOUND_S} s")
        sharer.send_signal(signal.SIGINT)
        if sharer.wait(BOUND_S) != 0:
            raise Failure(f"exit code {sharer.returncode}: {(work / 'words').read_text()[-300:]}")
        sharer = share(source, port, work / "words again")
        if line(sharer) != link:
            raise Failure("another link after the flood")
        print(f"{flood.made} connections, {fetched} downloads meanwhile")
    finally:
        if flood:
            flood.stopping = True
            flood.join()
        sharer.kill()
        sharer.wait()


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="kith-floods-"))
    try:
        run(work)
    except Failure as failure:
        print(f"not ok - {failure}")
        sys.exit(1)
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
