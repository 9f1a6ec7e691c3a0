"""What a case of the command line has at hand: a folder of its own, kith, and words for what went wrong."""
import http.server
import json
import os
import pathlib
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import libtorrent as lt

BOUND_S = 60
KITH = os.path.abspath(sys.argv[1])


class Failure(Exception):
    pass


def expect(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}: {got!r} instead of {wanted!r}")


def expect_in(part, whole, what):
    if part not in whole:
        raise Failure(f"{what}: no {part!r} in {whole!r}")


class Case:
    def __init__(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="kith-cli-"))
        self.processes = []
        self.environment = {**os.environ, "XDG_STATE_HOME": str(self.work / "state"), "LC_ALL": "C.UTF-8",
                            "KITH_NO_LSD": "1", "KITH_NO_PORT_MAPPING": "1", "KITH_NO_DHT": "1"}
        for name in ("NO_COLOR", "CLICOLOR_FORCE", "KITH_LINK"):
            self.environment.pop(name, None)

    def kith(self, *argv, code=0, stdin=b"", **environment):
        done = subprocess.run([KITH, *map(str, argv)], input=stdin, capture_output=True, cwd=self.work,
                              timeout=BOUND_S, env={**self.environment, **environment})
        if done.returncode != code:
            raise Failure(f"kith {argv}: exit {done.returncode} instead of {code}: {done.stderr.decode()}")
        return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def start(self, *argv, **environment):
        # The tests may run where hanging up is ignored (nohup), which kith would respect.
        process = subprocess.Popen([KITH, *map(str, argv)], cwd=self.work, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
                                   env={**self.environment, **environment})
        self.processes.append(process)
        return process

    def data(self, name="Data"):
        root = self.work / name
        for i, (path, size) in enumerate([("film.bin", 700_001), ("deep/er/photo.jpg", 120_000), ("tiny", 1)]):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(random.Random(i).randbytes(size))
        return root

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.work, ignore_errors=True)


def first_line(process):
    ready, _, _ = select.select([process.stdout], [], [], BOUND_S)
    return process.stdout.readline().decode().strip() if ready else ""


def next_of_type(process, wanted):
    """The next line of --json that is of this type."""
    end = time.monotonic() + BOUND_S
    while time.monotonic() < end:
        line = json.loads(first_line(process))
        if line["type"] == wanted:
            return line
    raise Failure(f"no line of type {wanted}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Served:
    """The case's folder over HTTP."""

    def __init__(self, case):
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=str(case.work))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        return self.url

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def lt_torrent_of(path):
    storage = lt.file_storage()
    lt.add_files(storage, str(path))
    creator = lt.create_torrent(storage, flags=lt.create_torrent.v1_only)
    lt.set_piece_hashes(creator, str(path.parent))
    return lt.bencode(creator.generate())


def as_nobody(case, *argv):
    """As a user who may not do everything. Where the tests run as somebody ordinary, as that one."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    (case.work / "nobody").mkdir(exist_ok=True)
    if nobody:
        os.chmod(case.work, 0o755)
        os.chown(case.work / "nobody", 65534, 65534)
    return subprocess.run([*nobody, KITH, *argv], cwd=case.work, capture_output=True, text=True, timeout=BOUND_S,
                          stdin=subprocess.DEVNULL, env={**case.environment, "XDG_STATE_HOME": str(case.work / "nobody")})
