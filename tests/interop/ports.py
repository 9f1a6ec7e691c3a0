#!/usr/bin/python3
"""A port on the home router: kith behind Debian's miniupnpd, a friend outside.

    tests/interop/ports.py KITH [NAME...]

Needs root, nftables and miniupnpd. Nothing but the mapping lets the friend in: the router drops all
that nobody inside has asked for."""
import filecmp
import os
import pathlib
import re
import sys
import time

from netns import Failure, Network, Program, fill, main, until

KITH = os.path.abspath(sys.argv[1])
OUTER = "5.5.5.1"

CONFIG = """
ext_ifname=wan
listening_ip=lan
port=5000
enable_natpmp={natpmp}
enable_upnp={upnp}
secure_mode=yes
system_uptime=yes
uuid=00000000-0000-0000-0000-000000000001
serial=1
model_number=1
upnp_table_name=filter
upnp_nat_table_name=filter
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
lease_file={leases}
allow 1024-65535 0.0.0.0/0 1024-65535
"""


class Home(Network):
    """home -- router -- friend; the router runs miniupnpd."""

    def __init__(self, natpmp, upnp):
        super().__init__("lanp")
        self.host("home", "router", "friend")
        self.cable("home", "eth0", "router", "lan")
        self.cable("friend", "eth0", "router", "wan")
        self.address("home", "eth0", "192.168.7.2/24")
        self.address("router", "lan", "192.168.7.1/24")
        self.address("router", "wan", OUTER + "/24")
        self.address("friend", "eth0", "5.5.5.9/24")
        self.ip("home", "route", "add", "default", "via", "192.168.7.1")
        self.home_router("router")
        self.daemon = self.start_daemon(natpmp, upnp)

    def start_daemon(self, natpmp, upnp):
        config = self.work / "miniupnpd.conf"
        config.write_text(CONFIG.format(natpmp="yes" if natpmp else "no", upnp="yes" if upnp else "no",
                                        leases=self.work / "leases"))
        (self.work / "leases").write_text("")
        return Program(self, "router", "/usr/sbin/miniupnpd", "-d", "-f", str(config), "-P",
                       str(self.work / "miniupnpd.pid"))

    def mapped(self, port, home="192.168.7.2"):
        """The protocols that the router lets through to the home's port."""
        rules = self.on("router", "nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd")
        return {kind for kind, number in (("tcp", "0x6"), ("udp", "0x11"))
                if re.search(rf"@nh,72,8 {number} th dport \d+ dnat ip to {re.escape(home)}:{port}", rules)}

    def kith(self, host, *argv):
        return Program(self, host, KITH, *argv)


def shared_through(net, port):
    """Share at home, fetch outside by the link alone, end: the mapping is there and goes away."""
    film = net.work / "film.bin"
    fill(film, 2_000_001, 11)
    share = net.kith("home", "share", "--port", str(port), "-v", str(film))
    link = share.line()
    took = until("the port is mapped", lambda: net.mapped(port) == {"tcp", "udp"}, 20)
    until("kith knows of it", lambda: "mapped by" in share.text(), 20)
    folder = net.work / "got"
    folder.mkdir()
    fetch = net.kith("friend", "get", re.sub(r"&x\.pe=[^&]*", "", link) + f"&x.pe={OUTER}:{port}",
                     "-o", str(folder), "--exit")
    fetch.wait(20)
    if not filecmp.cmp(film, folder / "film.bin", shallow=False):
        raise Failure("the data differs")
    share.stop()
    until("the mapping is gone", lambda: not net.mapped(port), 3)
    kind = re.search(r"mapped by (\S+):", share.text()).group(1)
    return kind, took


def pcp_or_natpmp():
    with Home(natpmp=True, upnp=False) as net:
        kind, took = shared_through(net, 7411)
        if kind not in ("PCP", "NAT-PMP"):
            raise Failure(f"mapped by {kind}")
        return f"{kind}, {took:.1f} s"


def upnp():
    with Home(natpmp=False, upnp=True) as net:
        kind, took = shared_through(net, 7412)
        if kind != "UPnP":
            raise Failure(f"mapped by {kind}")
        return f"{took:.1f} s"


def the_link_names_the_outer_address():
    """Also where the router takes its time: it is waited for, but not for long."""
    with Home(natpmp=False, upnp=True) as net:
        fill(net.work / "film.bin", 100_000, 12)
        share = net.kith("home", "share", "--port", "7413", str(net.work / "film.bin"))
        link = share.line()
        if f"x.pe={OUTER}:7413" not in link.replace("%3A", ":"):
            raise Failure(f"no outer address in {link}")
        return "x.pe"


def another_address_is_mapped_within_ten_seconds():
    """The cable goes to another room: another address, and the router still keeps the port for the old
    one. Another port is taken then, and that is the one that links and peers are told."""
    with Home(natpmp=True, upnp=False) as net:
        fill(net.work / "film.bin", 100_000, 14)
        share = net.kith("home", "share", "--port", "7415", "-v", str(net.work / "film.bin"))
        share.line()
        until("the port is mapped", lambda: net.mapped(7415) == {"tcp", "udp"}, 10)
        net.ip("home", "addr", "del", "192.168.7.2/24", "dev", "eth0")
        net.address("home", "eth0", "192.168.7.77/24")
        net.ip("home", "route", "add", "default", "via", "192.168.7.1")
        took = until("the new address is mapped", lambda: net.mapped(7415, "192.168.7.77") == {"tcp", "udp"}, 10)
        until("kith knows of it", lambda: f"mapped by PCP: {OUTER}:7416" in share.text(), 5)
        return f"{took:.1f} s"


def no_port_mapping_asks_for_nothing():
    with Home(natpmp=True, upnp=True) as net:
        fill(net.work / "film.bin", 100_000, 13)
        share = net.kith("home", "share", "--port", "7414", "--no-port-mapping", str(net.work / "film.bin"))
        share.line()
        # PCP and NAT-PMP would be asked for at once, UPnP after 0.75 s; this router answers within milliseconds.
        time.sleep(2)
        if net.mapped(7414):
            raise Failure("it is mapped")
        return "nothing is mapped"


CASES = {case.__name__: case for case in (
    pcp_or_natpmp, upnp, the_link_names_the_outer_address,
    another_address_is_mapped_within_ten_seconds, no_port_mapping_asks_for_nothing)}

if __name__ == "__main__":
    sys.exit(main(CASES, sys.argv[2:]))
