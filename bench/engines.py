"""The engines that are one command: how each is told to seed or to fetch one torrent, without
discovery of its own. Those that are daemons: daemons.py.

A leecher is given the seeder's port if it can call (`calls`); else the seeder has to call it, or the
tracker of data.tracked has to lead it there. Leechers end when they have everything. `patience`: the
share of the data that there is time for.
"""
import os
import re
import shutil
import subprocess


def named(name, *ask):
    """An engine's name with the version that it tells itself; bare if it is not installed."""
    if not shutil.which(ask[0]):
        return name
    told = subprocess.run(ask, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    version = re.search(r"\d+(\.\d+){1,2}", told.stdout)
    return f"{name} {version.group()}" if version else name


class Kith:
    name = "kith"
    calls = True
    patience = 1
    modes = {"plain": ["--encryption", "off", "--no-utp"], "rc4": ["--encryption", "require", "--no-utp"],
             "utp": ["--encryption", "off", "--no-tcp"]}

    def __init__(self, binary):
        self.binary = binary

    def get(self, data, folder, port, mode):
        return [self.binary, "get", str(data.torrent), "-o", str(folder), "-q", "--no-lsd", "--no-dht", "--no-port-mapping",
                "--listen", "127.0.0.1", "--port", str(port), *self.modes[mode]]

    def seed(self, data, port, mode="plain"):
        return self.get(data, data.folder, port, mode)

    def remember(self, data):
        """It has done so by itself."""

    def leech(self, data, out, port, seeder, mode="plain"):
        return self.get(data, out, port, mode) + ["--exit", "--overwrite", "-p", f"127.0.0.1:{seeder}"]

    def check(self, data):
        return [self.binary, "verify", str(data.torrent), str(data.folder), "-q"]


class Libtorrent:
    calls = True
    patience = 1

    def __init__(self, binary):
        self.binary = binary
        self.name = named("libtorrent", binary, "version")

    def seed(self, data, port, mode="plain"):
        return [self.binary, "seed", mode, str(data.torrent), str(data.folder), str(port)]

    def leech(self, data, out, port, seeder, mode="plain"):
        return [self.binary, "leech", mode, str(data.torrent), str(out), str(port), str(seeder)]

    def check(self, data):
        return [self.binary, "check", str(data.torrent), str(data.folder)]


class Aria2:
    binary = "aria2c"
    calls = False
    patience = 1
    common = [binary, "-q", "--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false",
              "--enable-peer-exchange=false", "--file-allocation=none", "--disk-cache=32M"]

    def __init__(self):
        self.name = named("aria2", self.binary, "--version")

    def seed(self, data, port, mode="plain"):
        return self.common + ["--seed-ratio=0.0", "--bt-seed-unverified=true", f"--listen-port={port}", "-d",
                              str(data.folder), str(data.tracked)]

    def leech(self, data, out, port, seeder, mode="plain"):
        return self.common + ["--seed-time=0", f"--listen-port={port}", "-d", str(out), str(data.tracked)]

    def check(self, data):
        return self.common + ["--check-integrity=true", "--hash-check-only=true", "-d", str(data.folder),
                              str(data.torrent)]


def environment(work):
    """Nobody's own settings, and no state but ours."""
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME"):
        folder = os.path.join(work, name.lower())
        os.makedirs(folder, exist_ok=True)
        os.environ[name] = folder
