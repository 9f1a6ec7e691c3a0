#!/usr/bin/python3
"""Two peers behind routers that let nothing in, and a third that both are connected to (BEP 55).

    tests/interop/holepunch.py KITH [NAME...]

Needs root and nftables. The routers masquerade and drop what nobody inside has asked for: port-
restricted, as most homes' are. The third has only a note of what is shared: the film can only have
come directly."""
import filecmp
import os
import re
import sys
import time

from netns import Failure, Network, Program, bare, fill, main, until

KITH = os.path.abspath(sys.argv[1])
RELAY = "5.9.9.9"
QUIET = ("--no-lsd", "--no-port-mapping")


class Homes(Network):
    """a -- na -- the internet -- nb -- b, and the relay."""

    def __init__(self):
        super().__init__("lanh")
        self.switch("net")
        self.host("relay")
        self.plug("relay", "net", "eth0", RELAY + "/8")
        for i, name in enumerate("ab"):
            router = "n" + name
            self.host(name, router)
            self.cable(name, "eth0", router, "lan")
            self.plug(router, "net", "wan", f"5.{6 + i}.0.1/8")
            self.address(name, "eth0", f"192.168.{i}.2/24")
            self.address(router, "lan", f"192.168.{i}.1/24")
            self.ip(name, "route", "add", "default", "via", f"192.168.{i}.1")
            self.home_router(router)

    def kith(self, host, *argv):
        return Program(self, host, KITH, *argv, *QUIET)


def through_two_routers():
    with Homes() as net:
        film = net.work / "trip" / "film.bin"
        fill(film, 8_000_001, 21)
        fill(net.work / "trip" / "note.txt", 1_000, 22)
        share = net.kith("a", "share", str(film.parent), "--port", "7001", "-p", f"{RELAY}:7000", "-v")
        link = bare(share.line())
        for host in ("relay", "b"):
            (net.work / host).mkdir()
        relay = net.kith("relay", "get", link, "-o", str(net.work / "relay"), "--port", "7000", "--files", "*.txt")
        until("the relay has its note", lambda: "complete" in relay.text(), 30)
        start = time.monotonic()
        fetch = net.kith("b", "get", link + f"&x.pe={RELAY}:7000", "-o", str(net.work / "b"), "--port", "7002",
                         "--exit", "-vv")
        fetch.wait(55)
        took = time.monotonic() - start
        if not filecmp.cmp(film, net.work / "b" / "trip" / "film.bin", shallow=False):
            raise Failure("the data differs")
        if "5.7.0.1:7002 is here" not in share.text():
            raise Failure("they did not meet")
        return f"{took:.1f} s"


CASES = {case.__name__: case for case in (through_two_routers,)}

if __name__ == "__main__":
    sys.exit(main(CASES, sys.argv[2:]))
