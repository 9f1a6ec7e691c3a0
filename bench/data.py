"""Something to move: a file or a folder, its torrent, and its bytes end to end."""
import os
import pathlib
import shutil
import subprocess

SMALL = [4096 + i % 16 * 4096 for i in range(20000)]


class Data:
    """`tracked` is the torrent that names a tracker, for engines that cannot be told of a peer."""

    def __init__(self, kith, work, name, sizes, tracker):
        self.root = pathlib.Path(work) / "source" / name
        self.folder = self.root.parent
        self.torrent = pathlib.Path(work) / f"{name}.torrent"
        self.tracked = pathlib.Path(work) / f"{name}.tracked.torrent"
        self.image = self.root if len(sizes) == 1 else pathlib.Path(work) / f"{name}.image"
        self.size = sum(sizes)
        self.folder.mkdir(exist_ok=True)
        self.write(self.image, self.size)
        if len(sizes) > 1:
            self.cut(sizes)
        piece = "2M" if len(sizes) == 1 else "256K"
        for out, options in ((self.torrent, []), (self.tracked, ["-t", tracker])):
            subprocess.run([kith, "create", str(self.root), "-o", str(out), "-q", "--format", "v1", "-s", piece,
                            *options], check=True)

    @staticmethod
    def write(path, size):
        with open(path, "wb") as f:
            while size > 0:
                size -= f.write(os.urandom(min(size, 1 << 24)))

    def cut(self, sizes):
        self.root.mkdir()
        with open(self.image, "rb") as image:
            for i, size in enumerate(sizes):
                (self.root / f"{i:06}.bin").write_bytes(image.read(size))

    def same_as(self, folder):
        return subprocess.run(["diff", "-rq", str(self.root), str(folder / self.root.name)],
                              stdout=subprocess.DEVNULL).returncode == 0

    def remove(self):
        shutil.rmtree(self.root) if self.root.is_dir() else self.root.unlink()
        self.image.unlink(missing_ok=True)
