"""Processes and what they cost."""
import os
import signal
import socket
import subprocess
import threading
import time

GIB = 2**30
PATIENCE = 900  # seconds: who has not ended then hangs


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def available():
    """Bytes that the system can give without swapping."""
    return next(int(l.split()[1]) for l in open("/proc/meminfo") if l.startswith("MemAvailable")) * 1024


def wait_listening(port, process):
    """Looks at the kernel's table: a connection to see would be the one that a listener waits for."""
    wanted = f":{port:04X}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in open(table):
                fields = line.split()
                if fields[3] == "0A" and fields[1].endswith(wanted):
                    return
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise SystemExit("a peer did not begin to listen")


class Measured:
    """A process, whole: CPU seconds, memory (sampled), page faults, context switches. Whoever knows
    adds `size`, the bytes that it worked on, and `took`, if that is not its whole life."""

    running = []

    @classmethod
    def end_all(cls):
        """Nothing of a section that failed goes on beside the next one."""
        for measured in list(cls.running):
            measured.process.kill()
            measured.end()

    def __init__(self, argv, **more):
        self.begun = time.monotonic()
        self.anonymous = self.resident = 0
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, **more)
        self.running.append(self)
        self.sampler = threading.Thread(target=self.sample, daemon=True)
        self.sampler.start()

    def sample(self):
        while True:
            try:
                status = dict(l.split(":", 1) for l in open(f"/proc/{self.process.pid}/status") if ":" in l)
            except OSError:
                return
            if "RssAnon" not in status:
                return
            self.anonymous = max(self.anonymous, int(status["RssAnon"].split()[0]) / 1024)
            self.resident = max(self.resident, int(status["VmHWM"].split()[0]) / 1024)
            time.sleep(0.03)

    def cpu_so_far(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def until_idle(self, still=0.4):
        """Waits until it has used no CPU for `still` seconds; returns when it used some last."""
        last, changed = self.cpu_so_far(), time.monotonic()
        deadline = changed + PATIENCE
        while time.monotonic() - changed < still:
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.process.args[0]} is busy for {PATIENCE} s")
            time.sleep(0.01)
            now = self.cpu_so_far()
            if now != last:
                last, changed = now, time.monotonic()
        return changed

    def end(self, send=None, kill_after=20):
        if send:
            os.kill(self.process.pid, send)  # send_signal() would reap it, and its usage with it
        patience = threading.Timer(kill_after if send else PATIENCE, self.process.kill)
        patience.start()
        _, status, usage = os.wait4(self.process.pid, 0)
        patience.cancel()
        self.running.remove(self)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.wall = time.monotonic() - self.begun
        self.cpu = usage.ru_utime + usage.ru_stime
        self.faults = usage.ru_minflt + usage.ru_majflt
        self.switches = usage.ru_nvcsw + usage.ru_nivcsw
        return self

    def stop(self):
        return self.end(signal.SIGTERM)

    def must_succeed(self):
        if self.end().process.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, self.process.args))}: exit code {self.process.returncode}")
        return self
