"""The engines that are daemons. Each has a home: a seeder's is a copy of one in which it has hashed
its data once, so that it believes it, as kith's and libtorrent's seeders do."""
import json
import shutil

from engines import named
from measure import free_port


class Daemon:
    calls = False
    patience = 1

    def __init__(self, work):
        self.name = named(self.title, *self.ask)
        self.work = work / self.kind
        self.work.mkdir()

    def home(self):
        home = self.work / "home"
        shutil.rmtree(home, ignore_errors=True)
        return home

    def hashed(self, data):
        return self.work / f"hashed-{data.root.name}"

    def seed(self, data, port, mode="plain"):
        """The first time it hashes, and its home is kept by remember()."""
        home = self.home()
        if self.hashed(data).exists():
            shutil.copytree(self.hashed(data), home)
            return self.argv(home, data.folder, port, mode)
        return self.begin(home, data, data.folder, port, mode)

    def remember(self, data):
        (self.work / "home").rename(self.hashed(data))

    def leech(self, data, out, port, seeder, mode="plain"):
        return self.begin(self.home(), data, out, port, mode)


class Transmission(Daemon):
    """It lets a peer wait for ten seconds and more: over as much data as the others it would take minutes."""
    title, binary = "Transmission", "transmission-daemon"
    ask = (binary, "--version")
    kind = "transmission"
    patience = 0.125

    def argv(self, home, folder, port, mode):
        return ["transmission-daemon", "-f", "-g", str(home), "-w", str(folder), "-p", str(free_port()), "-P", str(port),
                "-i", "127.0.0.1", "-c", str(home / "watch"), "--no-dht", "--no-lpd", "--no-portmap",
                "--utp" if mode == "utp" else "--no-utp", "-er" if mode == "rc4" else "-et"]

    def begin(self, home, data, folder, port, mode):
        (home / "watch").mkdir(parents=True)
        shutil.copy(data.tracked, home / "watch" / "it.torrent")
        done = home / "done"
        done.write_text("#!/bin/sh\nkill $PPID\n")
        done.chmod(0o755)
        (home / "settings.json").write_text(json.dumps({
            "script-torrent-done-enabled": folder != data.folder, "script-torrent-done-filename": str(done),
            "pex-enabled": False}))
        return self.argv(home, folder, port, mode)


class Rtorrent(Daemon):
    title, binary = "rtorrent", "rtorrent"
    ask = (binary, "-h")
    kind = "rtorrent"

    def argv(self, home, folder, port, mode, *more):
        (home / "rc").write_text("\n".join([
            "system.daemon.set = true", f"directory.default.set = {folder}", f"session.path.set = {home / 'session'}",
            f"network.port_range.set = {port}-{port}", "network.port_random.set = no",
            "network.bind_address.set = 127.0.0.1", "dht.mode.set = disable", "trackers.use_udp.set = no",
            "pieces.hash.on_completion.set = no", "protocol.encryption.set = none", *more, ""]))
        return ["rtorrent", "-n", "-o", f"import={home / 'rc'}"]

    def begin(self, home, data, folder, port, mode):
        (home / "session").mkdir(parents=True)
        more = [f'schedule2 = load,0,0,"load.start={data.tracked}"']
        if folder != data.folder:
            more.append('method.set_key = event.download.finished,end,"system.shutdown.quick="')
        return self.argv(home, folder, port, mode, *more)
