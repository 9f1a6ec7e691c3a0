"""Networks of namespaces for the tests: made by a case, gone with it. Needs root and iproute2."""
import itertools
import os
import re
import select
import subprocess
import tempfile
import pathlib
import random
import shutil
import time

from cases import AT_END, Failure, run_all

BOUND_S = 60
NUMBERS = itertools.count(1)


def run(*argv, **kwargs):
    """Runs a command, shows what it said if it fails; its output."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kwargs)
    if done.returncode != 0:
        raise Failure(f"{' '.join(argv)}: {done.stdout.strip()}")
    return done.stdout


def until(what, condition, seconds=BOUND_S):
    """Waits for something that will be true; the time it took."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(0.05)
    return time.monotonic() - start


class Program:
    """A program in a namespace, of which we read lines; its errors are in a log."""

    def __init__(self, net, host, *argv):
        net.count += 1
        self.name = f"{host}-{pathlib.Path(argv[0]).name}"
        self.log = net.work / f"{net.count}-{self.name}.log"
        environment = dict(os.environ, XDG_STATE_HOME=str(net.work / f"state-{host}"))
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", net.full(host), *argv],
            stdout=subprocess.PIPE, stderr=open(self.log, "wb"), stdin=subprocess.DEVNULL, env=environment,
        )
        net.programs.append(self)

    def line(self):
        ready, _, _ = select.select([self.process.stdout], [], [], BOUND_S)
        line = self.process.stdout.readline().decode() if ready else ""
        if not line:
            raise Failure(f"{self.name} says nothing")
        return line.strip()

    def text(self):
        return self.log.read_text(errors="replace")

    def wait(self, seconds=BOUND_S):
        try:
            self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name}: not finished within {seconds} s") from None
        if self.process.returncode != 0:
            raise Failure(f"{self.name}: exit code {self.process.returncode}")

    def communicate(self):
        """Waits for its end, whatever its exit code."""
        self.process.communicate(timeout=BOUND_S)

    def stop(self):
        """As a user does with Ctrl-C."""
        self.process.terminate()
        self.process.communicate(timeout=BOUND_S)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        if not self.process.stdout.closed:
            self.process.communicate()


class Network:
    """Hosts are namespaces; links are veth pairs; a bridge is a namespace, too."""

    def __init__(self, prefix):
        self.prefix = f"{prefix}{os.getpid()}x{next(NUMBERS)}"
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="kith-net-"))
        self.hosts, self.programs, self.count, self.links = [], [], 0, 0
        AT_END.append(self.close)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind:
            for program in self.programs:
                print(f"--- {program.name}\n{program.text()[-2500:]}")
        self.close()

    def close(self):
        """A second time there is nothing left to do."""
        for program in self.programs:
            program.kill()
        while self.hosts:
            subprocess.run(["ip", "netns", "del", self.full(self.hosts.pop())], check=False)
        shutil.rmtree(self.work, ignore_errors=True)

    def full(self, host):
        return f"{self.prefix}-{host}"

    def host(self, *names):
        for name in names:
            self.hosts.append(name)
            run("ip", "netns", "add", self.full(name))
            self.ip(name, "link", "set", "lo", "up")
            # Addresses are there at once, not after duplicate detection.
            self.sysctl(name, "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")

    def on(self, host, *argv):
        return run("ip", "netns", "exec", self.full(host), *argv)

    def ip(self, host, *argv):
        return run("ip", "-n", self.full(host), *argv)

    def sysctl(self, host, *settings):
        for setting in settings:
            name, value = setting.split("=")
            self.on(host, "sh", "-c", f"echo {value} > /proc/sys/{name.replace('.', '/')}")

    def switch(self, name):
        """A bridge without an address of its own."""
        self.host(name)
        self.ip(name, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        self.ip(name, "link", "set", "br0", "up")

    def plug(self, host, switch, device="eth0", *addresses):
        """A cable from the host to the switch."""
        self.links += 1
        port = f"p{self.links}"
        run("ip", "link", "add", device, "netns", self.full(host), "type", "veth",
            "peer", "name", port, "netns", self.full(switch))
        self.ip(switch, "link", "set", port, "master", "br0", "up")
        self.ip(host, "link", "set", device, "up")
        self.address(host, device, *addresses)

    def cable(self, a, device_a, b, device_b):
        """A cable between two hosts; addresses come later."""
        run("ip", "link", "add", device_a, "netns", self.full(a), "type", "veth",
            "peer", "name", device_b, "netns", self.full(b))
        self.ip(a, "link", "set", device_a, "up")
        self.ip(b, "link", "set", device_b, "up")

    def home_router(self, name, inner="lan", outer="wan"):
        """Masquerades, and lets in only what answers: the chains that miniupnpd fills are there."""
        self.sysctl(name, "net.ipv4.ip_forward=1")
        rules = f"""
            table inet filter {{
                chain forward {{
                    type filter hook forward priority 0; policy drop;
                    ct state established,related accept
                    iifname "{inner}" accept
                    jump miniupnpd
                }}
                chain input {{
                    type filter hook input priority 0; policy accept;
                    iifname "{outer}" ct state new drop
                }}
                chain miniupnpd {{ }}
                chain prerouting {{
                    type nat hook prerouting priority -100; policy accept;
                    jump prerouting_miniupnpd
                }}
                chain postrouting {{
                    type nat hook postrouting priority 100; policy accept;
                    jump postrouting_miniupnpd
                    oifname "{outer}" masquerade
                }}
                chain prerouting_miniupnpd {{ }}
                chain postrouting_miniupnpd {{ }}
            }}
        """
        done = subprocess.run(["ip", "netns", "exec", self.full(name), "nft", "-f", "-"], input=rules, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise Failure(f"nft: {done.stdout}")

    def address(self, host, device, *addresses):
        for address in addresses:
            self.ip(host, "addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))


def fill(path, size, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(random.Random(seed).randbytes(size))


def bare(link):
    """The link without the addresses in it."""
    return re.sub(r"&x\.pe=[^&]*", "", link)


def main(cases, wanted, at_once=1):
    """Runs those that are wanted, or all; the exit code."""
    return 1 if run_all({name: cases[name] for name in wanted or cases}, at_once) else 0
