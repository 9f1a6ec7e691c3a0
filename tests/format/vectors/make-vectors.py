#!/usr/bin/python3
"""Makes the torrents that test_vectors.c reads, with the torrent makers that others wrote: libtorrent
2.0 (python3-libtorrent), mktorrent and transmission-create. Beside each NAME.torrent stands
NAME.facts: what libtorrent, not kith, says of it, one fact a line. Run by hand; results are kept in
the tree, because the makers differ from one machine to the next."""
import hashlib
import os
import pathlib
import subprocess
import tempfile

import libtorrent as lt

HERE = pathlib.Path(__file__).resolve().parent
F = lt.create_torrent
FILES = {"a": 100, "b-empty": 0, "c.bin": 40000, "sub/d": 16384, "sub/deep/e": 1, "sub.x": 3,
         "z one": 70000, "zz-empty": 0, "ünï/文.txt": 20000}


def content(name, size):
    """Bytes that depend on the name only."""
    out, block = b"", hashlib.sha256(name.encode()).digest()
    while len(out) < size:
        out += block
        block = hashlib.sha256(block).digest()
    return out[:size]


def make_folder(root, files):
    for name, size in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(name, size))


def write_facts(name):
    """What libtorrent reads. Pads are left out (it lists those it would make itself, not those of
    the file), and so is the place of empty files, which have none."""
    data = (HERE / (name + ".torrent")).read_bytes()
    ti = lt.torrent_info(lt.bdecode(data))
    files, hashes = ti.files(), ti.info_hashes()
    lines = []
    if hashes.has_v1():
        lines.append("v1 %s" % hashes.v1)
    if hashes.has_v2():
        lines.append("v2 %s" % hashes.v2)
    lines += ["piece_length %d" % ti.piece_length(), "pieces %d" % ti.num_pieces(),
              "private %d" % ti.priv(), "name %s" % ti.name()]
    lines += ["tracker %d %s" % (t.tier, t.url) for t in sorted(
        ti.trackers(), key=lambda t: (t.tier, t.url))]  # libtorrent shuffles each tier
    lines += ["webseed %s" % w["url"] for w in ti.web_seeds() if w["type"] == 0]
    for i in range(ti.num_files()):
        pad = files.file_flags(i) & lt.file_flags_t.flag_pad_file
        if pad:
            continue
        flags = "".join(c for c, bit in (("h", lt.file_flags_t.flag_hidden),
                                         ("x", lt.file_flags_t.flag_executable),
                                         ("l", lt.file_flags_t.flag_symlink))
                        if files.file_flags(i) & bit) or "-"
        root = ""
        if hashes.has_v2() and files.file_size(i):
            root = files.root(i).to_bytes().hex()
        offset = files.file_offset(i) if files.file_size(i) else "-"
        lines.append("file %s %d %s %s %s" % (flags, files.file_size(i), offset, root or "-",
                                              files.file_path(i)))
    (HERE / (name + ".facts")).write_text("\n".join(lines) + "\n")


def libtorrent(name, path, flags, piece_length=32768, decorate=None):
    storage = lt.file_storage()
    lt.add_files(storage, str(path), flags=flags)
    torrent = lt.create_torrent(storage, piece_length, flags)
    torrent.set_creator("libtorrent " + lt.__version__)
    if decorate:
        decorate(torrent)
    lt.set_piece_hashes(torrent, str(path.parent))
    entry = torrent.generate()
    entry[b"creation date"] = 1700000000
    (HERE / (name + ".torrent")).write_bytes(lt.bencode(entry))
    write_facts(name)


def command(name, *arguments):
    out = HERE / (name + ".torrent")
    out.unlink(missing_ok=True)
    subprocess.run([str(out) if a == "OUT" else str(a) for a in arguments], check=True,
                   stdout=subprocess.DEVNULL)
    write_facts(name)


def decorate(torrent):
    torrent.set_comment("a comment, ünïcode")
    torrent.add_tracker("http://one.example/announce", 0)
    torrent.add_tracker("udp://two.example:6969/announce", 0)
    torrent.add_tracker("https://three.example/announce", 1)
    torrent.add_url_seed("http://seed.example/files/")
    torrent.add_http_seed("http://seed.example/old")
    torrent.add_node("router.example", 6881)
    torrent.set_priv(True)


with tempfile.TemporaryDirectory() as folder:
    top = pathlib.Path(folder)
    make_folder(top / "top", FILES)
    make_folder(top, {"single.bin": 300000, "small.bin": 5000, "exact.bin": 65536})
    libtorrent("lt-v1-multi", top / "top", F.v1_only)
    libtorrent("lt-v2-multi", top / "top", F.v2_only)
    libtorrent("lt-hybrid-multi", top / "top", 0, decorate=decorate)
    libtorrent("lt-hybrid-no-tail", top / "top", F.canonical_files_no_tail_padding)
    libtorrent("lt-v1-canonical", top / "top", F.v1_only | F.canonical_files)
    libtorrent("lt-v2-layers", top / "single.bin", F.v2_only, 16384)
    libtorrent("lt-hybrid-single", top / "single.bin", 0, 65536)
    libtorrent("lt-hybrid-small", top / "small.bin", 0, 16384)
    libtorrent("lt-hybrid-exact", top / "exact.bin", 0, 65536)
    command("mktorrent-multi", "mktorrent", "-d", "-l", 15, "-a",
            "http://one.example/announce,http://two.example/announce", "-a",
            "http://three.example/announce", "-w", "http://seed.example/", "-o", "OUT", top / "top")
    command("mktorrent-single", "mktorrent", "-d", "-p", "-l", 16, "-o", "OUT", top / "single.bin")
    command("transmission-multi", "transmission-create", "-s", 32, "-t",
            "http://one.example/announce", "-c", "from transmission", "-o", "OUT", top / "top")
    command("transmission-single", "transmission-create", "-p", "-t", "http://one.example/a", "-o", "OUT", top / "single.bin")
    # Links come last, so that the torrents above are of plain files.
    (top / "top" / "link").symlink_to("c.bin")
    (top / "top" / "sub" / "up").symlink_to("../c.bin")
    (top / "top" / "to-folder").symlink_to("sub")
    (top / "top" / "c.bin").chmod(0o755)
    libtorrent("lt-hybrid-links", top / "top", F.symlinks)
    libtorrent("lt-v2-links", top / "top", F.v2_only | F.symlinks)
