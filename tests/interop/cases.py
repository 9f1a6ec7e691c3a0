"""Runs a table of cases, several at a time, each in a process of its own.

What a case says is printed when it is over, so the lines of two never mix. A signal that is to end all reaches the whole
group of processes, as Ctrl-C does: each case cleans up behind itself, and nobody is asked twice."""
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
AT_END = []  # what this case undoes in the end, the newest first, however far it came in making it


class Failure(Exception):
    """Says in words what went wrong."""


def unshare(what):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(what) != 0:
        raise Failure(f"a case needs namespaces of its own: {os.strerror(ctypes.get_errno())}")


def own_network():
    """Puts this process and its children on a machine that has loopback and nothing else: no port is another's."""
    unshare(CLONE_NEWNET)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def in_memory(folder):
    """Makes a file system in memory of the folder, which only this process and its children see."""
    unshare(CLONE_NEWNS)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "kith-test", str(folder)], check=True)
    AT_END.append(lambda: (subprocess.run(["umount", "-l", str(folder)], check=True), os.rmdir(folder)))


def tell(name, case):
    """Runs one, and says how it went; whether it went well."""
    begun = time.monotonic()

    def seconds():
        return f"{time.monotonic() - begun:.1f} s"

    try:
        said = case()
        print(f"ok - {name}{f': {said}' if said else ''} ({seconds()})")
        return True
    except Failure as failure:
        print(f"not ok - {name}: {failure} ({seconds()})")
    except KeyboardInterrupt:
        print(f"not ok - {name}: interrupted")
    except Exception:  # a case that breaks does not keep the others from running
        print(f"not ok - {name}: {traceback.format_exc()}")
    finally:
        while AT_END:
            AT_END.pop()()
    return False


def begin(name, case):
    """Its process, and the file that takes what it says."""
    said = tempfile.TemporaryFile("w+")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        good = tell(name, case)
        sys.stdout.flush()
        os._exit(not good)
    return child, said


def end_of_one(running):
    child, status = os.waitpid(-1, 0)
    said = running.pop(child)
    said.seek(0)
    print(said.read(), end="", flush=True)
    return status == 0


def run_all(cases, at_once=1):
    """Runs them all, so many side by side, each as soon as there is room; how many failed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    running, failed = {}, 0
    try:
        for name, case in cases.items():
            if len(running) == at_once:
                failed += not end_of_one(running)
            child, said = begin(name, case)
            running[child] = said
        while running:
            failed += not end_of_one(running)
    except KeyboardInterrupt:
        try:
            while True:
                end_of_one(running)
        except ChildProcessError:
            pass  # all of them have ended
        raise
    return failed
