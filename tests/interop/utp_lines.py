#!/usr/bin/python3
"""kith over uTP and over TCP (cubic), on the same lines between two namespaces: the second table of docs/utp.md.

    tests/interop/utp_lines.py KITH LINK alone|together|queue [MBIT...]

alone: one transfer at a time, times side by side. together: one transfer over each at once, the second of the same node, of
another kith or of a plain sender, and what each got. No test: figures. Needs root."""
import concurrent.futures
import socket
import subprocess
import sys
import time

from utp import A, B, KITH, Line, PORT
from netns import Failure, Network, Program, bare, fill, main, until

SIZES = {1: 2_000_000, 20: 24_000_000, 100: 80_000_000}
GIVEN_UP_S = 100


def cubic(net):
    """A namespace may not have it as its default, but a route may."""
    for host, mine in (("a", A), ("b", B)):
        net.ip(host, "route", "replace", "10.8.0.0/24", "dev", "line0", "src", mine, "congctl", "cubic")


def transfer(carrier, mbit, rtt, loss, queue_ms):
    rate = mbit * 125_000
    size = SIZES[mbit]
    with Line(size, rate=rate, queue=max(int(rate * queue_ms / 1000), 6000), delay=rtt / 2, loss=loss) as net:
        cubic(net)
        other = "--no-tcp" if carrier == "utp" else "--no-utp"
        quiet = ("--no-lsd", "--no-dht", "--no-port-mapping")
        share = Program(net, "a", KITH, "share", other, *quiet, "--listen", A, "--port", str(PORT), str(net.source))
        link = bare(share.line())
        start = time.monotonic()
        get = Program(net, "b", KITH, "get", "--exit", other, *quiet, "--listen", B, "-p", f"{A}:{PORT}", "-o",
                      str(net.got), link)
        try:
            get.wait(GIVEN_UP_S)
        except Failure:
            return None, net.report()
        return time.monotonic() - start, net.report()


def row(mbit, rtt, loss, queue_ms):
    cells = []
    for carrier in ("tcp", "utp"):
        took, report = transfer(carrier, mbit, rtt, loss, queue_ms)
        cells.append((took, report))
    bound = SIZES[mbit] * 1500 / 1452 / (mbit * 125_000) + rtt * 3 / 1000
    def text(cell):
        return f"{cell[0]:.1f}" if cell[0] else f"> {GIVEN_UP_S}"
    ratio = f"{cells[1][0] / cells[0][0]:.2f}" if cells[0][0] and cells[1][0] else ""
    return (f"| {mbit} | {rtt} | {loss} | {queue_ms} | {bound:.1f} | {text(cells[0])} | {text(cells[1])} | {ratio} | "
            f"{cells[0][1]['wait_median_ms']}, {cells[0][1]['wait_p95_ms']} | "
            f"{cells[1][1]['wait_median_ms']}, {cells[1][1]['wait_p95_ms']} |")


def alone(rates):
    print("| Mbit/s | round trip ms | loss % | queue ms | bound s | TCP s | uTP s | uTP / TCP | TCP's queue: median, 95 % ms | uTP's |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    cases = [(m, r, l, q) for m in rates for l in (0, 1) for r in (10, 50, 300) for q in (30, 500)]
    with concurrent.futures.ThreadPoolExecutor(1 if max(rates) > 20 else 4 if max(rates) == 20 else 6) as pool:
        for line in pool.map(lambda c: row(*c), cases):
            print(line, flush=True)


# ---- together ----------------------------------------------------------------------------------------------


def counter(net, port_a, port_b):
    """Bytes that b's kernel has seen arrive for a port, by nftables."""
    rules = f"table inet n {{ chain c {{ type filter hook input priority 0; udp dport {port_b} counter\ntcp sport {port_a} counter\n }}\n }}"
    subprocess.run(["ip", "netns", "exec", net.full("b"), "nft", "-f", "-"], input=rules, text=True, check=True)

    def read():
        said = net.on("b", "nft", "list", "chain", "inet", "n", "c")
        return [int(line.split(" bytes ")[1].split()[0]) for line in said.splitlines() if " bytes " in line]

    return read


def both(mbit, rtt, queue_ms, second, seconds=40):
    rate = mbit * 125_000
    size = rate * 90
    with Line(size, rate=rate, queue=max(int(rate * queue_ms / 1000), 6000), delay=rtt / 2) as net:
        cubic(net)
        read = counter(net, 7000 if second == "own" else 8000, 7001)
        quiet = ("--no-lsd", "--no-dht", "--no-port-mapping")
        only = () if second == "own" else ("--no-tcp",)
        link = bare(Program(net, "a", KITH, "share", *only, *quiet, "--listen", A, "--port", "7000", str(net.source)).line())
        Program(net, "b", KITH, "get", "--no-tcp", *quiet, "--listen", B, "--port", "7001", "-p", f"{A}:7000", "-o", str(net.got / "u"), link)
        until("uTP runs", lambda: read()[0] > rate)
        time.sleep(5)
        if second == "own":  # the same node; the two who fetch do not trade
            subprocess.run(["ip", "netns", "exec", net.full("b"), "nft", "add rule inet n c iif lo drop"], check=True)
            Program(net, "b", KITH, "get", "--no-utp", *quiet, "--listen", B, "--port", "8001", "-p", f"{A}:7000", "-o", str(net.got / "t"), link)
        elif second == "kith":
            fill(net.work / "second" / "b.bin", size, 9)
            link = bare(Program(net, "a", KITH, "share", "--no-utp", *quiet, "--listen", A, "--port", "8000", str(net.work / "second" / "b.bin")).line())
            Program(net, "b", KITH, "get", "--no-utp", *quiet, "--listen", B, "--port", "8001", "-p", f"{A}:8000", "-o", str(net.got / "t"), link)
        else:
            send = f"import socket as s; l=s.create_server(('{A}',8000)); print('ready',flush=True); c,_=l.accept()\nwhile 1: c.sendall(bytes(65536))"
            take = f"import socket as s; c=s.create_connection(('{A}',8000))\nwhile c.recv(1<<20): pass"
            Program(net, "a", sys.executable, "-c", send).line()
            Program(net, "b", sys.executable, "-c", take)
        until("TCP runs", lambda: read()[1] > rate / 10)
        time.sleep(5)
        before, began = read(), time.monotonic()
        last, longest = time.monotonic(), 0
        seen = before[0]
        while time.monotonic() - began < seconds:
            time.sleep(0.5)
            now = read()[0]
            if now - seen > 3000:
                longest = max(longest, time.monotonic() - last)
                last, seen = time.monotonic(), now
        after, took = read(), time.monotonic() - began
        shares = [(y - x) / took / rate * 100 for x, y in zip(before, after)]
        return f"| {mbit} | {rtt} | {queue_ms} | {second} | {shares[0]:.1f} | {shares[1]:.1f} | {max(longest, time.monotonic() - last):.1f} |"


def together(rates):
    print("| Mbit/s | round trip ms | queue ms | TCP of | uTP's share % | TCP's % | longest without uTP s |\n| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    cases = [(m, r, q, s) for m in rates for r, q in ((20, 500), (20, 30), (100, 200)) for s in ("own", "kith", "plain")]
    with concurrent.futures.ThreadPoolExecutor(3 if max(rates) <= 20 else 1) as pool:
        for line in pool.map(lambda c: both(*c), cases):
            print(line, flush=True)


if __name__ == "__main__":
    {"alone": alone, "together": together}[sys.argv[3]]([int(m) for m in sys.argv[4:]] or list(SIZES))
