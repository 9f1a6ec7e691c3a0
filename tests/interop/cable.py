#!/usr/bin/python3
"""A cable that is pulled in the middle of a download, and plugged in again.

    tests/interop/cable.py KITH [NAME...]

Needs root: the machines are namespaces. Neither side is told: the cable is pulled behind a switch. Half a minute later
TCP by itself would wait as long again; here something has to come within seconds, also on a kernel that cannot bound
the pauses of TCP (before Linux 6.15): one is played by a library that refuses the option."""
import filecmp
import os
import subprocess
import sys
import time

from netns import Failure, Network, Program, fill, main, until

KITH = os.path.abspath(sys.argv[1])
SOON = 8  # seconds; TCP takes two or three, uTP, which gives up in between, five
OLD_KERNEL = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    int (*real)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");
    if (level == IPPROTO_TCP && name == 44) { /* TCP_RTO_MAX_MS */
        errno = ENOPROTOOPT;
        return -1;
    }
    return real(fd, level, name, value, size);
}
"""


def old_kernel(net):
    source, library = net.work / "old.c", net.work / "old.so"
    source.write_text(OLD_KERNEL)
    done = subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"cc: {done.stderr}")
    return ["env", f"LD_PRELOAD={library}"]


def blocks_on_disk(path):
    return path.stat().st_blocks if path.exists() else 0


def pulled(seconds, before=lambda net: [], options=()):
    """How long after the cable is back something has come."""
    with Network("node") as net:
        net.switch("switch")
        net.host("a", "b")
        net.plug("a", "switch", "eth0", "10.7.0.1/24")
        net.plug("b", "switch", "eth0", "10.7.0.2/24")
        film, out = net.work / "film.bin", net.work / "got"
        fill(film, 16_000_000, 5)
        command = [*before(net), KITH]
        quiet = ["--no-dht", "--no-port-mapping", "--no-lsd", *options]
        share = Program(net, "a", *command, "share", str(film), "--upload", "500K", *quiet)
        fetch = Program(net, "b", *command, "get", share.line(), "-o", str(out), "--exit", "--sparse", *quiet)
        here = lambda: blocks_on_disk(out / "film.bin")
        until("something is here", here)
        time.sleep(3)
        net.ip("switch", "link", "set", "p1", "nomaster")
        time.sleep(seconds)
        had = here()
        net.ip("switch", "link", "set", "p1", "master", "br0")
        took = until("it goes on", lambda: here() > had, SOON)
        fetch.wait()
        if not filecmp.cmp(film, out / "film.bin", shallow=False):
            raise Failure("the data differs")
        return f"{took:.1f} s after {seconds} s"


def a_cable_for_35_seconds():
    return pulled(35)


def a_cable_for_35_seconds_on_an_older_kernel():
    return pulled(35, old_kernel, ["--no-utp"])


def a_cable_for_35_seconds_with_utp():
    return pulled(35, options=["--no-tcp"])


CASES = {
    case.__name__: case
    for case in (a_cable_for_35_seconds, a_cable_for_35_seconds_on_an_older_kernel, a_cable_for_35_seconds_with_utp)
}

if __name__ == "__main__":
    sys.exit(main(CASES, sys.argv[2:]))
