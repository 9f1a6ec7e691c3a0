#!/usr/bin/python3
"""Prints the vectors of test_create.c: info-hashes that other makers give the same files.

Run by hand on Debian 12 (python3-libtorrent, mktorrent, transmission-cli); its output is
create_vectors.h. The files' bytes follow the formula in content(), which test_create.c repeats.
"""
import hashlib
import os
import subprocess
import tempfile

import libtorrent as lt

# path: size. x.sh is executable.
ALBUM = {
    "a.txt": 0,
    "b/c.bin": 100000,
    "b/d.bin": 16384,
    "b.txt": 5,
    "c.txt": 0,
    "e.bin": 1500000,
    "f/g/h.bin": 65536,
    "x.sh": 20,
    "z.txt": 0,
}
MOVIE = 5000003

HEAD = """/* Info-hashes that other makers give the files of test_create.c: the output of
 * make_create_vectors.py, libtorrent 2.0.8, mktorrent 1.1, transmission-create 3.00. */
#ifndef KITH_TESTS_STORE_CREATE_VECTORS_H
#define KITH_TESTS_STORE_CREATE_VECTORS_H

#include "store/create/create.h"

struct create_vector {
    const char *maker, *name;
    enum create_kind kind;
    uint32_t piece_length;
    const char *v1, *v2; /* "": none */
    const char *pieces;  /* instead: SHA-1 over the v1 piece hashes */
};

static const struct create_vector create_vectors[] = {"""


def content(size, seed):
    return bytes((i * 31 + (i >> 8) * 17 + seed) & 255 for i in range(size))


def rank(path):
    return path.encode().split(b"/")


def build(root):
    for seed, path in enumerate(sorted(ALBUM, key=rank)):
        full = os.path.join(root, "album", path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(content(ALBUM[path], seed))
        os.chmod(full, 0o755 if path.endswith(".sh") else 0o644)
    with open(os.path.join(root, "movie.bin"), "wb") as f:
        f.write(content(MOVIE, 99))


def info_hashes(data):
    """Of the raw info dictionary: libtorrent would read it through its own eyes."""
    info = lt.bdecode(data)[b"info"]
    raw = lt.bencode(info)
    assert raw in data
    v1 = hashlib.sha1(raw).hexdigest() if b"pieces" in info else ""
    v2 = hashlib.sha256(raw).hexdigest() if b"meta version" in info else ""
    return v1, v2


def libtorrent(root, name, piece, flags):
    fs = lt.file_storage()
    if name == "movie.bin":
        fs.add_file(name, MOVIE)
    else:
        for path in sorted(ALBUM, key=rank):
            attr = lt.file_flags_t.flag_executable if path.endswith(".sh") else 0
            fs.add_file("album/" + path, ALBUM[path], attr)
    t = lt.create_torrent(fs, piece_size=piece, flags=flags)
    lt.set_piece_hashes(t, root)
    return lt.bencode(t.generate())


def run(out, *command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(out, "rb") as f:
        return f.read()


def main():
    print(HEAD)
    c = lt.create_torrent
    kinds = {"V1": c.v1_only, "V2": c.v2_only, "HYBRID": 0}
    with tempfile.TemporaryDirectory() as root:
        build(root)
        for name in ("album", "movie.bin"):
            for piece in (16384, 65536, 4 << 20, 8 << 20):
                for kind, flags in kinds.items():
                    data = libtorrent(root, name, piece, flags)
                    v1, v2 = info_hashes(data)
                    print(f'    {{"libtorrent", "{name}", CREATE_{kind}, {piece},\n'
                          f'        "{v1}",\n        "{v2}", NULL}},')
        # transmission-create writes private=0 into the info dictionary, which we leave out as
        # BEP 27 has it: the pieces are compared instead. mktorrent sorts folders' files otherwise
        # than BEP 52 ("b.txt" before "b/c.bin"), and transmission-create leaves empty files out: so
        # single files only.
        out = os.path.join(root, "out.torrent")
        for piece in (32768, 262144):
            data = run(out, "mktorrent", "-l", str(piece.bit_length() - 1), "-o", out,
                       os.path.join(root, "movie.bin"))
            print(f'    {{"mktorrent", "movie.bin", CREATE_V1, {piece},\n'
                  f'        "{info_hashes(data)[0]}", "", NULL}},')
            os.unlink(out)
            data = run(out, "transmission-create", "-s", str(piece >> 10), "-o", out,
                       os.path.join(root, "movie.bin"))
            pieces = hashlib.sha1(lt.bdecode(data)[b"info"][b"pieces"]).hexdigest()
            print(f'    {{"transmission-create", "movie.bin", CREATE_V1, {piece},\n'
                  f'        "", "", "{pieces}"}},')
            os.unlink(out)
    print("};\n\n#endif")


main()
