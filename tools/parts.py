"""Runs parts of a test side by side: tools/test says which. Each is a command whose output is kept, and shown if it failed."""
import os
import re
import signal
import subprocess
import tempfile
import time

PATIENCE_S = 10  # for those that are to end


def as_one(said, good):
    """It passes or fails as a whole."""
    return (1, 0) if good else (0, 1)


def as_meson_counts(said, good):
    counts = {kind: int(n) for kind, n in re.findall(r"^(Ok|Fail|Timeout|Unexpected Pass): *(\d+)", said, re.M)}
    passed, failed = counts.pop("Ok", 0), sum(counts.values())
    return passed, failed or int(not good)


class Part:
    """`needs` names another part that must have passed before; `lines` of its output are shown if it failed."""

    def __init__(self, kind, name, command, needs=None, count=as_one, lines=60):
        self.kind, self.name, self.command, self.needs, self.count, self.lines = kind, name, command, needs, count, lines

    def begin(self):
        self.begun, self.output = time.monotonic(), tempfile.TemporaryFile("w+", errors="replace")
        # In a session of its own: a signal reaches all that it has started.
        self.process = subprocess.Popen(
            (["nice"] if self.kind == "computes" else []) + ["sh", "-c", self.command],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT, start_new_session=True,
        )

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def end(self, status, used):
        """Tells how it went; how many passed and failed."""
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.output.seek(0)
        said = self.output.read()
        passed, failed = self.count(said, status == 0)
        counts = f": {passed} passed, {failed} failed" if self.count is as_meson_counts else ""
        took, cpu = time.monotonic() - self.begun, used.ru_utime + used.ru_stime
        print(f"{'not ok' if failed else 'ok'} - {self.name}{counts} ({took:.0f} s, {cpu:.0f} s of CPU)", flush=True)
        if failed:
            print("\n".join(said.splitlines()[-self.lines:]), flush=True)
        return passed, failed

    def cannot_begin(self):
        print(f"not ok - {self.name}: \"{self.needs}\" has failed", flush=True)
        return 0, 1


class Run:
    def __init__(self, parts, room):
        self.waiting, self.room, self.running = list(parts), room, {}
        self.over = {}  # by name: whether it went well
        self.passed = self.failed = 0

    def count(self, part, counts):
        self.passed, self.failed = self.passed + counts[0], self.failed + counts[1]
        self.over[part.name] = counts[1] == 0

    def has_room(self, part):
        """"alone" begins when nothing else is left, and nothing begins beside it."""
        if part.kind == "alone":
            return not self.running and all(p.kind == "alone" for p in self.waiting)
        return sum(p.kind == part.kind for p in self.running.values()) < self.room[part.kind]

    def begin_what_can(self):
        for part in list(self.waiting):
            if part.needs is not None and part.needs not in self.over:
                continue
            if part.needs is not None and not self.over[part.needs]:
                self.waiting.remove(part)
                self.count(part, part.cannot_begin())
            elif self.has_room(part):
                part.begin()
                self.waiting.remove(part)
                self.running[part.process.pid] = part

    def end_one(self):
        pid, status, used = os.wait4(-1, 0)
        if pid in self.running:
            part = self.running.pop(pid)
            self.count(part, part.end(status, used))

    def end_all(self):
        """As Ctrl-C would; by and by with less patience."""
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGKILL:
            for part in self.running.values():
                part.signal(number)
            end = time.monotonic() + PATIENCE_S
            while self.running and time.monotonic() < end:
                pid = os.waitpid(-1, os.WNOHANG)[0]
                self.running.pop(pid, None)
                time.sleep(0.05)

    def all(self):
        try:
            while self.waiting or self.running:
                self.begin_what_can()
                if self.running:
                    self.end_one()
        except KeyboardInterrupt:
            print("interrupted: " + ", ".join(part.name for part in self.running.values()), flush=True)
            self.end_all()
            raise


def run(parts, room):
    """How many passed and failed."""
    # Also where the caller has them ignored: what is handled here is as usual again in the parts.
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, signal.default_int_handler)
    it = Run(parts, room)
    it.all()
    return it.passed, it.failed
