#!/usr/bin/python3
"""Two machines on one switch, no router, no configuration: a bare link is enough.

    tests/interop/lan.py KITH [NAME...]

Needs root: the machines are namespaces. The links carry neither addresses nor trackers; what finds
the other side is local service discovery (BEP 14)."""
import filecmp
import os
import sys
import time

from netns import Failure, Network, Program, bare, fill, main, until

KITH = os.path.abspath(sys.argv[1])
SECONDS = 10  # "in seconds"; it takes well under one


def get(net, host, link, *options):
    folder = net.work / f"got-{host}"
    folder.mkdir(exist_ok=True)
    return net_program(net, host, "get", link, "-o", str(folder), "--exit", *options), folder


def net_program(net, host, *argv):
    return Program(net, host, KITH, *argv)


def two_machines(addresses_a, addresses_b, first="share"):
    """Sharer a, fetcher b; who is there first is the other one's to find."""
    with Network("lan") as net:
        net.switch("switch")
        net.host("a", "b")
        net.plug("a", "switch", "eth0", *addresses_a)
        net.plug("b", "switch", "eth0", *addresses_b)
        film = net.work / "film.bin"
        fill(film, 3_000_001, 5)
        share = net_program(net, "a", "share", str(film))
        link = bare(share.line())
        if first == "get":
            share.stop()
            fetch, folder = get(net, "b", link)
            until("the fetcher looks", lambda: "waiting for peers" in fetch.text())
            start = time.monotonic()
            net_program(net, "a", "share", str(film))
        else:
            start = time.monotonic()
            fetch, folder = get(net, "b", link)
        fetch.wait(SECONDS)
        took = time.monotonic() - start
        if not filecmp.cmp(film, folder / "film.bin", shallow=False):
            raise Failure("the data differs")
        return f"{took:.1f} s"


def only_ipv4():
    return two_machines(["169.254.7.1/16"], ["169.254.9.2/16"])


def only_ula():
    return two_machines(["fd07::1/64"], ["fd07::2/64"])


def only_link_local():
    return two_machines([], [])


def the_fetcher_is_there_first():
    return two_machines(["10.7.0.1/24"], ["10.7.0.2/24"], first="get")


def a_late_third_is_answered():
    """The sharer has long said what it has to say when the second fetcher comes."""
    with Network("lan") as net:
        net.switch("switch")
        net.host("a", "b", "c")
        for i, host in enumerate("abc"):
            net.plug(host, "switch", "eth0", f"10.7.0.{i + 1}/24")
        film = net.work / "film.bin"
        fill(film, 1_000_001, 6)
        share = net_program(net, "a", "share", str(film))
        link = bare(share.line())
        get(net, "b", link)[0].wait(SECONDS)
        start = time.monotonic()
        get(net, "c", link)[0].wait(SECONDS)
        return f"{time.monotonic() - start:.1f} s"


def switched_off_is_silent():
    with Network("lan") as net:
        net.switch("switch")
        net.host("a", "b")
        net.plug("a", "switch", "eth0", "10.7.0.1/24")
        net.plug("b", "switch", "eth0", "10.7.0.2/24")
        fill(net.work / "film.bin", 100_000, 7)
        share = net_program(net, "a", "share", "--no-lsd", str(net.work / "film.bin"))
        link = bare(share.line())
        if ":1A73" in net.on("a", "cat", "/proc/net/udp", "/proc/net/udp6"):
            raise Failure("a socket stands at port 6771")
        return "no socket"


def a_cable_that_is_plugged_in_late():
    """Both run before the network is there: within ten seconds of the cable they have each other."""
    with Network("lan") as net:
        net.switch("switch")
        net.host("a", "b")
        film = net.work / "film.bin"
        fill(film, 1_000_001, 8)
        share = net_program(net, "a", "share", str(film))
        link = bare(share.line())
        fetch, _ = get(net, "b", link)
        until("the fetcher runs", lambda: fetch.process.poll() is None)
        start = time.monotonic()
        net.plug("a", "switch", "eth0", "10.7.0.1/24")
        net.plug("b", "switch", "eth0", "10.7.0.2/24")
        fetch.wait(SECONDS + 5)
        return f"{time.monotonic() - start:.1f} s"


CASES = {
    case.__name__: case
    for case in (
        only_ipv4, only_ula, only_link_local, the_fetcher_is_there_first, a_late_third_is_answered,
        switched_off_is_silent, a_cable_that_is_plugged_in_late,
    )
}

if __name__ == "__main__":
    sys.exit(main(CASES, sys.argv[2:]))
