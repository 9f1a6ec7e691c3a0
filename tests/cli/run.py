#!/usr/bin/python3
"""The commands as their users meet them: words, exit codes, JSON, pipes, signals.

    tests/cli/run.py KITH [NAME...]

The formats are held against libtorrent (python3-libtorrent). Nothing here needs a network but
loopback.
"""
import fcntl
import http.server
import json
import os
import pathlib
import pty
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import termios
import threading

import libtorrent as lt

BOUND_S = 60
KITH = os.path.abspath(sys.argv[1])


class Failure(Exception):
    pass


def expect(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}: {got!r} instead of {wanted!r}")


def expect_in(part, whole, what):
    if part not in whole:
        raise Failure(f"{what}: no {part!r} in {whole!r}")


class Case:
    def __init__(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="kith-cli-"))
        self.processes = []
        self.environment = {**os.environ, "XDG_STATE_HOME": str(self.work / "state"), "LC_ALL": "C.UTF-8",
                            "KITH_NO_LSD": "1", "KITH_NO_PORT_MAPPING": "1", "KITH_NO_DHT": "1"}
        for name in ("NO_COLOR", "CLICOLOR_FORCE", "KITH_LINK"):
            self.environment.pop(name, None)

    def kith(self, *argv, code=0, stdin=b"", **environment):
        done = subprocess.run([KITH, *map(str, argv)], input=stdin, capture_output=True, cwd=self.work,
                              timeout=BOUND_S, env={**self.environment, **environment})
        if done.returncode != code:
            raise Failure(f"kith {argv}: exit {done.returncode} instead of {code}: {done.stderr.decode()}")
        return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def start(self, *argv, **environment):
        # The tests may run where hanging up is ignored (nohup), which kith would respect.
        process = subprocess.Popen([KITH, *map(str, argv)], cwd=self.work, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
                                   env={**self.environment, **environment})
        self.processes.append(process)
        return process

    def data(self, name="Data"):
        root = self.work / name
        for i, (path, size) in enumerate([("film.bin", 700_001), ("deep/er/photo.jpg", 120_000), ("tiny", 1)]):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(random.Random(i).randbytes(size))
        return root

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.work, ignore_errors=True)


def first_line(process):
    ready, _, _ = select.select([process.stdout], [], [], BOUND_S)
    return process.stdout.readline().decode().strip() if ready else ""


def next_of_type(process, wanted):
    """The next line of --json that is of this type."""
    end = time.monotonic() + BOUND_S
    while time.monotonic() < end:
        line = json.loads(first_line(process))
        if line["type"] == wanted:
            return line
    raise Failure(f"no line of type {wanted}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- usage --------------------------------------------------------------------------------------------


def wrong_usage_is_told_and_exits_with_2(case):
    for argv in ([], ["frobnicate"], ["share"], ["get", "--nonsense"], ["create"], ["show"], ["verify"],
                 ["get", "--port", "70000", "x"], ["create", "-s", "12345", "."]):
        _, err = case.kith(*argv, code=2)
        if not err:
            raise Failure(f"{argv}: nothing on standard error")
    expect_in("share", case.kith("shar", code=2)[1], "the nearest command")
    for command in ("share", "create", "get", "show"):
        expect_in("photos: one operand too many", case.kith(command, "my", "photos", code=2)[1], f"{command} my photos")


def help_goes_to_standard_output(case):
    for name in ("share", "get", "create", "show", "verify"):
        expect(case.kith("help", name), case.kith(name, "--help"), name)
        expect_in("usage", case.kith("help", name)[0].lower(), name)
    expect_in("  10  ", case.kith("help", "exit-codes")[0], "the exit codes")
    expect_in("kith share", case.kith("--help")[0], "the overview")
    expect_in("kith ", case.kith("--version")[0], "the version")


def bad_links_and_torrents_exit_with_10(case):
    (case.work / "bad.torrent").write_bytes(b"d4:infod4:name")
    case.kith("get", "magnet:?xt=urn:btih:zz", code=10)
    case.kith("get", "bad.torrent", code=10)
    case.kith("show", "bad.torrent", code=10)
    case.kith("verify", "bad.torrent", code=10)
    case.kith("show", "-", code=10, stdin=b"nonsense")


def what_is_not_there_exits_with_3(case):
    for argv in (["share", "nowhere"], ["get", "nowhere.torrent"], ["create", "nowhere"], ["show", "nowhere"]):
        case.kith(*argv, code=3)


# ---- create, show, verify -------------------------------------------------------------------------------


def created_torrents_are_what_libtorrent_reads(case):
    root = case.data()
    for kind in ("v1", "v2", "hybrid"):
        out = case.work / f"{kind}.torrent"
        case.kith("create", root, "-o", out, "--format", kind, "-p", "-c", "a comment", "-t", "http://a/announce",
                  "-w", "http://w/", "--source", "S")
        info = lt.torrent_info(str(out))
        shown = json.loads(case.kith("show", "--json", out)[0])
        hashes = info.info_hashes()
        if hashes.has_v1() != (kind != "v2") or hashes.has_v2() != (kind != "v1"):
            raise Failure(f"{kind}: libtorrent sees other kinds of hashes")
        if hashes.has_v1():
            expect(shown["info_hash_v1"], str(hashes.v1), "v1")
        if hashes.has_v2():
            expect(shown["info_hash_v2"], str(hashes.v2), "v2")
        expect(shown["private"], info.priv(), "private")
        expect(shown["comment"], info.comment(), "comment")
        expect(shown["piece_length"], info.piece_length(), "piece length")
        expect(shown["pieces"], info.num_pieces(), "pieces")
        files = [f["path"] for f in shown["files"] if not f["pad"]]
        theirs = info.files()
        pads = lt.file_storage.flag_pad_file
        expect(files, [theirs.file_path(i).split("/", 1)[1] for i in range(info.num_files())
                       if not theirs.file_flags(i) & pads], "files")
        expect(case.kith("show", "--magnet", out)[0].strip(), shown["magnet"], "link")


def the_same_input_gives_the_same_bytes(case):
    root = case.data()
    for name in ("a", "b"):
        case.kith("create", root, "-o", f"{name}.torrent", "--no-date")
        case.kith("create", root, "-o", f"{name}-epoch.torrent", SOURCE_DATE_EPOCH="12345")
    expect((case.work / "a.torrent").read_bytes(), (case.work / "b.torrent").read_bytes(), "without a date")
    expect((case.work / "a-epoch.torrent").read_bytes(), (case.work / "b-epoch.torrent").read_bytes(), "epoch")
    expect(lt.torrent_info(str(case.work / "a-epoch.torrent")).creation_date(), 12345, "date")


def create_replaces_nothing_unless_told(case):
    case.data()
    (case.work / "Data.torrent").write_bytes(b"mine")
    case.kith("create", "Data", code=8)
    expect((case.work / "Data.torrent").read_bytes(), b"mine", "the file in the way")
    case.kith("create", "Data", "--force")
    case.kith("create", "Data", "--dry-run", "-o", "dry.torrent")
    expect((case.work / "dry.torrent").exists(), False, "a dry run's file")


def verify_finds_what_is_wrong_and_writes_nothing(case):
    root = case.data()
    case.kith("create", root, "-o", "d.torrent")
    case.kith("verify", "d.torrent", ".")
    case.kith("verify", "d.torrent", root)
    film = root / "film.bin"
    data = bytearray(film.read_bytes())
    data[300_000] ^= 1
    film.write_bytes(data)
    (root / "tiny").unlink()
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob("*")}
    out, _ = case.kith("verify", "d.torrent", code=5)
    expect_in("film.bin: damaged", out, "words")
    expect_in("tiny: missing", out, "words")
    found = json.loads(case.kith("verify", "d.torrent", "--json", code=5)[0])
    expect(sorted(f["path"] for f in found["bad_files"]), ["film.bin", "tiny"], "bad files")
    expect(found["right"], False, "right")
    expect({p: (p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob("*")}, before, "the folder")


def hostile_names_are_shown_escaped(case):
    name = "evil\x1b[31m\u202egnp.exe"
    torrent = lt.bencode({b"info": {b"name": name.encode(), b"length": 1, b"piece length": 16384,
                                    b"pieces": b"x" * 20}, b"comment": b"\x1b]0;pwned\x07"})
    (case.work / "evil.torrent").write_bytes(torrent)
    for argv in (["show", "evil.torrent"], ["show", "--files", "evil.torrent"]):
        out, _ = case.kith(*argv)
        for bad in ("\x1b", "\x07", "\u202e"):
            if bad in out:
                raise Failure(f"{argv}: {bad!r} reached the terminal")
    out, _ = case.kith("show", "--json", "evil.torrent")
    json.loads(out)
    if "\x1b" in out or "\u202e" in out:
        raise Failure("it reached the terminal as JSON")


# ---- share and get ----------------------------------------------------------------------------------------


def share_prints_one_line_and_stops_cleanly(case):
    case.data()
    share = case.start("share", "Data", "--listen", "127.0.0.1")
    link = first_line(share)
    expect(link[:8], "magnet:?", "the link")
    share.send_signal(signal.SIGINT)
    out, err = share.communicate(timeout=BOUND_S)
    expect(out, b"", "more on standard output")
    expect(share.returncode, 0, "exit code")
    if b"\x1b" in err:
        raise Failure("escape codes on a pipe")


def data_that_is_changed_in_place_is_not_given_on(case):
    root = case.data()
    film = root / "film.bin"
    share = case.start("share", "Data", "--listen", "127.0.0.1", "--json")
    link = next_of_type(share, "link")["link"]
    os.utime(film, (1_600_000_000, 1_600_000_000))
    case.kith("get", link, "-o", "first", "--exit", "--listen", "127.0.0.1")
    expect_in("film.bin", next_of_type(share, "warning")["text"], "a time that was set")
    case.kith("get", link, "-o", "again", "--exit", "--listen", "127.0.0.1")
    with open(film, "r+b") as f:
        f.seek(100_000)
        f.write(b"another film")
    time_of_change = film.stat().st_mtime_ns
    get = case.start("get", link, "-o", "second", "--listen", "127.0.0.1", "-q")
    expect_in("film.bin", next_of_type(share, "warning")["text"], "who was written to")
    expect_in("somebody else has changed", next_of_type(share, "trouble")["text"], "what that means")
    expect(film.stat().st_mtime_ns, time_of_change, "the time of the file that somebody changed")
    get.send_signal(signal.SIGINT)


def a_change_that_was_noticed_is_not_forgotten(case):
    case.data()
    share = case.start("share", "Data", "--listen", "127.0.0.1", "--json")
    link = next_of_type(share, "link")["link"]
    port = free_port()
    mine = ("get", link, "-o", "mine", "--listen", "127.0.0.1", "--json")
    get = case.start(*mine, "--port", port)
    next_of_type(get, "complete")
    share.send_signal(signal.SIGINT)
    share.communicate(timeout=BOUND_S)
    with open(case.work / "mine/Data/film.bin", "r+b") as f:
        f.seek(100_000)
        f.write(b"another film")
    reader = case.start("get", link, "-o", "other", "-p", f"127.0.0.1:{port}", "--listen", "127.0.0.1", "-q")
    next_of_type(get, "trouble")
    for process in (reader, get):
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=BOUND_S)
    out, err = case.kith(*mine, code=8)
    expect(json.loads(out.splitlines()[-1])["type"], "trouble", "what the next run ends with")
    expect_in("holds something else in 1 of its", err, "what the next run says")
    expect((case.work / "mine/Data/film.bin").read_bytes()[100_000:100_012], b"another film", "the change")


def share_says_when_somebody_else_has_all_of_it(case):
    case.data()
    share = case.start("share", "Data", "--listen", "127.0.0.1", "--json")
    link = next_of_type(share, "link")["link"]
    get = case.start("get", link, "-o", case.work / "dst", "--listen", "127.0.0.1", "-q")
    expect(next_of_type(share, "copy")["copies"], 1, "complete copies elsewhere")
    for process in (get, share):
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=BOUND_S)


def share_is_quick_the_second_time(case):
    root = case.data()
    os.utime(root / "film.bin", (1_600_000_000, 1_600_000_000))
    for path in root.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    links = []
    for _ in range(2):
        share = case.start("share", "Data", "--listen", "127.0.0.1", "--json")
        lines = []
        while not lines or json.loads(lines[-1])["type"] != "link":
            lines.append(first_line(share))
        links.append(json.loads(lines[-1])["info_hash_v1"])
        share.send_signal(signal.SIGTERM)
        share.communicate(timeout=BOUND_S)
    expect(links[0], links[1], "the second link")


def a_link_is_no_secret_in_the_process_list(case):
    link = "magnet:?xt=urn:btih:" + "ab" * 20
    get = case.start("get", link, "--listen", "127.0.0.1", "--json")
    expect(json.loads(first_line(get))["type"], "progress", "the first line")
    command = pathlib.Path(f"/proc/{get.pid}/cmdline").read_bytes()
    if b"abab" in command or b"--json" not in command:
        raise Failure(f"the process list has {command}")
    get.send_signal(signal.SIGINT)
    get.communicate(timeout=BOUND_S)
    expect(get.returncode, 7, "exit code of an unfinished get")


def links_come_from_everywhere(case):
    case.data()
    share = case.start("share", "Data", "--listen", "127.0.0.1")
    link = first_line(share)
    (case.work / "one").mkdir()
    for i, (argv, stdin, environment) in enumerate([
        ([link], b"", {}), (["-"], link.encode() + b"\n", {}), ([], b"", {"KITH_LINK": link}),
    ]):
        case.kith("get", *argv, "-o", case.work / f"out{i}", "--exit", "--listen", "127.0.0.1", stdin=stdin,
                  **environment)
        expect((case.work / f"out{i}/Data/film.bin").read_bytes(), (case.work / "Data/film.bin").read_bytes(), i)


def a_peer_may_go_by_its_name(case):
    case.data()
    port = free_port()
    share = case.start("share", "Data", "--listen", "127.0.0.1", "--port", str(port), "--json")
    link = next_of_type(share, "link")["link"].split("&x.pe")[0]
    for out, argv in (("a", [link + f"&x.pe=localhost:{port}"]), ("b", [link, "-p", f"localhost:{port}"])):
        case.kith("get", *argv, "-o", case.work / out, "--exit", "--listen", "127.0.0.1")
        expect((case.work / out / "Data/film.bin").read_bytes(), (case.work / "Data/film.bin").read_bytes(), out)
    nowhere = f"&x.pe=nowhere.invalid:{port}"
    get = case.start("get", link + nowhere, "-o", "c", "--listen", "127.0.0.1", "--json")
    expect_in("nowhere.invalid: the name was not found", next_of_type(get, "warning")["text"], "a name that is none")
    get = case.start("get", link + nowhere, "-o", "d", "--proxy", "socks5://127.0.0.1:1", "--json")
    expect_in("names are not looked up", next_of_type(get, "warning")["text"], "where none may be looked up")
    get = case.start("get", link, "-p", "256.1.1.1:80", "-o", "e", "--listen", "127.0.0.1", "--json")
    expect_in("256.1.1.1:80", next_of_type(get, "warning")["text"], "what is no peer")


def a_link_may_ask_for_some_of_the_files(case):
    case.data()
    share = case.start("share", "Data", "--listen", "127.0.0.1", "--json", "--format", "v1")
    link = next_of_type(share, "link")["link"]
    files = [f["path"] for f in json.loads(case.kith("create", "Data", "-o", "d.torrent", "--format", "v1") and
                                           case.kith("show", "--json", "d.torrent")[0])["files"]]
    film = files.index("film.bin")
    case.kith("get", link + f"&so={film}", "-o", "some", "--exit", "--listen", "127.0.0.1")
    there = {p.name for p in (case.work / "some/Data").rglob("*") if p.is_file()}
    expect(there, {"film.bin"}, "what the link asked for")
    _, said = case.kith("get", link + "&so=77", "-o", "all", "--exit", "--listen", "127.0.0.1")
    expect_in("all are fetched", said, "a link that asks for none")
    expect((case.work / "all/Data/tiny").stat().st_size, 1, "a file of a link that asks for none")


def somebody_elses_file_is_left_alone(case):
    root = case.data()
    case.kith("create", root, "-o", "d.torrent")
    share = case.start("share", "Data", "--listen", "127.0.0.1")
    link = first_line(share)
    out = case.work / "out"
    (out / "Data").mkdir(parents=True)
    (out / "Data/film.bin").write_bytes(b"my own film")
    case.kith("get", link, "-o", out, "--exit", "--listen", "127.0.0.1", code=8)
    expect((out / "Data/film.bin").read_bytes(), b"my own film", "the file in the way")
    case.kith("get", link, "-o", out, "--exit", "--rename", "--listen", "127.0.0.1")
    expect((out / "Data/film.bin").read_bytes(), b"my own film", "the file in the way")
    expect((out / "Data (1)/film.bin").read_bytes(), (root / "film.bin").read_bytes(), "the renamed one")
    case.kith("get", link, "-o", out / "x", "--exit", "--listen", "127.0.0.1")


def what_was_edited_or_is_longer_is_never_replaced_unasked(case):
    root = case.data()
    link = first_line(case.start("share", "Data", "--listen", "127.0.0.1"))
    get = ("get", link, "-o", "out", "--exit", "--listen", "127.0.0.1")
    film = case.work / "out/Data/film.bin"
    right = (root / "film.bin").read_bytes()
    film.parent.mkdir(parents=True)
    for before in ("no download", "a download"):
        for mine in (right[:5] + b"mine" + right[9:], right + b"more", bytes(reversed(right))):
            film.write_bytes(mine)
            _, err = case.kith(*get, code=8)
            expect_in("--overwrite", err, "what can be done")
            expect(film.read_bytes() == mine, True, f"the file as it was, after {before}")
        case.kith(*get, "--overwrite")
        expect(film.read_bytes() == right, True, "what was fetched over it")
    case.kith("create", root, "-o", "made.torrent")
    case.kith("verify", "made.torrent", "out/Data")


def the_same_get_again_has_nothing_to_do(case):
    case.data()
    share = case.start("share", "Data", "--listen", "127.0.0.1")
    link = first_line(share)
    case.kith("get", link, "-o", "out", "--exit", "--listen", "127.0.0.1")
    share.send_signal(signal.SIGTERM)
    share.communicate(timeout=BOUND_S)
    out, _ = case.kith("get", link, "-o", "out", "--exit", "--listen", "127.0.0.1", "--json")
    last = json.loads(out.splitlines()[-1])
    expect(last["type"], "complete", "the second time, with nobody there")
    expect(last["work_total"], 0, "bytes hashed again")


def a_get_that_was_stopped_goes_on_with_the_peers_that_it_knew(case):
    case.data()
    for is_private in (False, True):
        name, out, port = ("private", "a", free_port()) if is_private else ("public", "b", free_port())
        case.kith("create", "Data", "-o", name + ".torrent", *(["--private"] if is_private else []))
        seed = case.start("get", name + ".torrent", "-o", ".", "--listen", "127.0.0.1", "--port", port, "--json")
        next_of_type(seed, "complete")
        get = ("get", name + ".torrent", "-o", out, "--listen", "127.0.0.1", "--json")
        first = case.start(*get, "-p", f"127.0.0.1:{port}", "--download", "200K")
        while next_of_type(first, "progress")["bytes_done"] < 300_000:
            pass
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=BOUND_S)
        case.kith(*get, "--exit")
        expect((case.work / out / "Data/film.bin").read_bytes(), (case.work / "Data/film.bin").read_bytes(), "the data")


def deleted_data_is_fetched_again_only_when_asked(case):
    root = case.data()
    share = case.start("share", "Data", "--listen", "127.0.0.1")
    link = first_line(share)
    case.kith("get", link, "-o", "out", "--exit", "--listen", "127.0.0.1")
    shutil.rmtree(case.work / "out" / "Data")
    _, err = case.kith("get", link, "-o", "out", "--exit", "--listen", "127.0.0.1", code=3)
    expect_in("is its disk away?", err, "the reason")
    expect((case.work / "out" / "Data").exists(), False, "a folder where a volume may be missing")
    case.kith("get", link, "-o", "out", "--exit", "--overwrite", "--listen", "127.0.0.1")
    expect((case.work / "out/Data/film.bin").read_bytes(), (root / "film.bin").read_bytes(), "the data")


def what_cannot_fit_is_not_begun(case):
    size, piece = 10**14, 2**29
    info = {b"name": b"huge", b"length": size, b"piece length": piece, b"pieces": b"x" * 20 * (-(-size // piece))}
    (case.work / "huge.torrent").write_bytes(lt.bencode({b"info": info}))
    _, err = case.kith("get", "huge.torrent", "-o", "out", "--listen", "127.0.0.1", code=6)
    expect_in("are needed", err, "the reason")
    expect((case.work / "out" / "huge").exists(), False, "the file")


def only_chosen_files_are_made(case):
    case.data()
    share = case.start("share", "Data", "--listen", "127.0.0.1", "--format", "v1")
    link = first_line(share)
    case.kith("get", link, "-o", "out", "--exit", "--files", "*.jpg", "--listen", "127.0.0.1")
    there = sorted(str(p.relative_to(case.work / "out/Data")) for p in (case.work / "out/Data").rglob("*") if p.is_file())
    expect(there, ["deep/er/photo.jpg"], "files")
    expect((case.work / "out/Data/deep/er/photo.jpg").read_bytes(),
           (case.work / "Data/deep/er/photo.jpg").read_bytes(), "the chosen file")


def what_files_are_asked_for_now_counts(case):
    root = case.data()
    case.kith("create", root, "-o", "made.torrent")
    link = first_line(case.start("share", "Data", "--listen", "127.0.0.1"))
    get = ("get", link, "-o", "out", "--exit", "--listen", "127.0.0.1")
    case.kith(*get, "--files", "*.jpg")
    expect((case.work / "out/Data/film.bin").exists(), False, "a file that was not asked for")
    case.kith(*get)
    case.kith("verify", "made.torrent", "out/Data")
    for what in (link, "made.torrent"):
        out, err = case.kith("get", what, "-o", "none", "--exit", "--listen", "127.0.0.1", "--files", "*.nothing", code=3)
        expect_in("matches '*.nothing'", err, "why nothing is fetched")
    expect((case.work / "none").exists(), False, "a folder for nothing")
    _, err = case.kith("get", "made.torrent", "--list", "--files", "*.jpg", "--listen", "127.0.0.1")
    expect_in("in 1 of 3 files", err, "what is listed")


def a_terminal_gets_colour_and_a_pipe_does_not(case):
    case.data()
    master, slave = pty.openpty()
    share = subprocess.Popen([KITH, "share", "Data", "--listen", "127.0.0.1"], cwd=case.work, stdin=slave,
                             stdout=subprocess.PIPE, stderr=slave, env={**case.environment, "TERM": "xterm-256color"})
    case.processes.append(share)
    os.close(slave)
    expect(first_line(share)[:8], "magnet:?", "the link")
    share.send_signal(signal.SIGINT)
    seen = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    share.wait(timeout=BOUND_S)
    os.close(master)
    expect_in("▀" if "▀" in seen.decode(errors="replace") else "█", seen.decode(errors="replace"), "a QR code")


# ---- pages and completions --------------------------------------------------------------------------------


def the_man_pages_are_the_help(case):
    folder = case.work / "man" / "man1"
    folder.mkdir(parents=True)
    for name in COMMANDS:
        page = case.kith("help", "--man", name)[0]
        (folder / f"kith-{name}.1").write_text(page)
        shown = subprocess.run(["mandoc", "-T", "ascii", str(folder / f"kith-{name}.1")], capture_output=True,
                               text=True, timeout=BOUND_S, check=True).stdout
        for option in re.findall(r"^ +(?:-\w, )?(--[\w-]+)", case.kith("help", name)[0], re.M):
            expect_in(option, re.sub(".\x08", "", shown), f"the man page of {name}")
    (folder / "kith.1").write_text(case.kith("help", "--man")[0])
    pages = sorted(map(str, folder.iterdir()))
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True,
                          timeout=BOUND_S)
    expect((lint.stdout, lint.returncode), ("", 0), "mandoc's opinion")


def completions_complete(case):
    for shell in ("bash", "zsh", "fish"):
        script = case.work / f"kith.{shell}"
        script.write_text(case.kith("completion", shell)[0])
        subprocess.run([shell, "-n", str(script)], check=True, timeout=BOUND_S)

    def bash(*words):
        quoted = " ".join(f"'{word}'" for word in words)
        code = (f"source kith.bash; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _kith; "
                "printf '%s\\n' \"${COMPREPLY[@]}\"")
        return subprocess.run(["bash", "-c", code], cwd=case.work, capture_output=True, text=True,
                              timeout=BOUND_S).stdout.split()

    expect(bash("kith", "sh"), ["share", "show"], "commands")
    expect(bash("kith", "get", "--enc"), ["--encryption"], "options")
    expect(bash("kith", "get", "--encryption", "r"), ["require"], "values")
    expect(bash("kith", "get", "--encryption", "=", "o"), ["off"], "values after =")
    (case.work / "some folder").mkdir()
    (case.work / "some.torrent").touch()
    expect(bash("kith", "get", "-o", "some"), ["some", "folder"], "folders")
    expect(bash("kith", "verify", "some.t"), ["some.torrent"], "files")
    out = subprocess.run(["fish", "--no-config", "-c", "source kith.fish; complete -C 'kith share --sup'"],
                         cwd=case.work, capture_output=True, text=True, timeout=BOUND_S,
                         env={**case.environment, "HOME": str(case.work)}).stdout
    expect_in("--super-seed", out, "fish")
    expect(bash("kith", "dht", ""), ["get", "put", "keep", "kept", "forget", "peers", "status"], "verbs")


def options_come_from_the_environment_too(case):
    case.data()
    shown = json.loads(case.kith("create", "Data", "-o", "a.torrent", KITH_JSON="1", KITH_TRACKER="udp://a:1 udp://b:2",
                                 KITH_FORMAT="v1", KITH_PRIVATE="yes")[0])
    expect(shown["info_hash_v2"], None, "KITH_FORMAT")
    info = json.loads(case.kith("show", "--json", "a.torrent")[0])
    expect([t["url"] for t in info["trackers"]], ["udp://a:1", "udp://b:2"], "KITH_TRACKER")
    expect(info["private"], True, "KITH_PRIVATE")
    case.kith("create", "Data", "-o", "b.torrent", "-t", "udp://c:3", KITH_TRACKER="udp://a:1")
    info = json.loads(case.kith("show", "--json", "b.torrent")[0])
    expect([t["url"] for t in info["trackers"]], ["udp://c:3"], "the command line wins")
    expect_in("KITH_QUIET", case.kith("show", "b.torrent", KITH_QUIET="maybe", code=2)[1], "a bad value")


def every_json_line_has_a_type_that_the_help_explains(case):
    case.data()
    share = case.start("share", "Data", "--listen", "127.0.0.1", "--json")
    lines = []
    while not lines or json.loads(lines[-1])["type"] != "link":
        lines.append(first_line(share))
    link = json.loads(lines[-1])["link"]
    said = {"get": case.kith("get", link, "-o", "out", "--exit", "--json", "--listen", "127.0.0.1")[0].splitlines()}
    share.send_signal(signal.SIGINT)
    said["share"] = lines + share.communicate(timeout=BOUND_S)[0].decode().splitlines()
    said["create"] = case.kith("create", "Data", "-o", "d.torrent", "--json")[0].splitlines()
    said["show"] = (case.kith("show", "d.torrent", "--json")[0] + case.kith("show", link, "--json")[0]).splitlines()
    said["verify"] = case.kith("verify", "d.torrent", "--json")[0].splitlines()
    for command, words in said.items():
        text = " ".join(case.kith("help", command)[0].split())
        for line in words:
            message = json.loads(line)
            expect_in(f" {message.pop('type')} ", text, f"the help of {command}")
            for member in message:
                expect_in(member, text, f"the help of {command}")


# ---- what came later ----------------------------------------------------------------------------------------


def trackers_are_never_dropped_in_silence(case):
    case.data()
    many = [arg for i in range(65) for arg in ("-t", f"udp://127.0.0.1:{i + 1}/announce")]
    expect_in("64 trackers", case.kith("share", "Data", *many, code=10)[1], "too many for a share")
    case.kith("create", "Data", "-o", "d.torrent", *many)
    expect(len(json.loads(case.kith("show", "--json", "d.torrent")[0])["trackers"]), 65, "trackers of a torrent")
    lots = [arg for i in range(251) for arg in ("-t", f"udp://a:{i + 1},udp://b:{i + 1}")]
    expect_in("500 trackers", case.kith("create", "Data", "-o", "e.torrent", *lots, code=2)[1], "too many")
    case.kith("create", "Data", "-o", "t.torrent", "-t", "udp://a:1,udp://b:1", "-t", "udp://c:1")
    tiers = [t["tier"] for t in json.loads(case.kith("show", "--json", "t.torrent")[0])["trackers"]]
    expect(tiers, [0, 0, 1], "tiers")


def create_takes_the_letters_that_people_know(case):
    case.data()
    out, _ = case.kith("create", "Data", "-p", "-s", "32", "-c", "words", "-r", "S", "-d", "-a", "udp://a:1",
                       "-n", "Other", "-o", "k.torrent", "--json")
    shown = json.loads(case.kith("show", "--json", "k.torrent")[0])
    expect(shown["piece_length"], 32768, "a piece size in KiB")
    expect([shown[k] for k in ("private", "comment", "source", "created_unix", "name")],
           [True, "words", "S", 0, "Other"], "the rest")
    expect([t["url"] for t in shown["trackers"]], ["udp://a:1"], "mktorrent's letter")
    expect(json.loads(out)["magnet"], shown["magnet"], "one link")


class Served:
    """The case's folder over HTTP."""

    def __init__(self, case):
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=str(case.work))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        return self.url

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def get_takes_the_address_of_a_torrent(case):
    root = case.data()
    case.kith("create", root, "-o", "d.torrent")
    port = free_port()
    share = case.start("share", "Data", "--listen", "127.0.0.1", "-P", port)
    first_line(share)
    with Served(case) as url:
        for _ in range(2):
            case.kith("get", f"{url}/d.torrent", "-o", "out", "--exit", "--listen", "127.0.0.1", "-p", f"127.0.0.1:{port}")
        expect((case.work / "out/Data/film.bin").read_bytes(), (root / "film.bin").read_bytes(), "the data")
        expect_in("404", case.kith("get", f"{url}/none.torrent", "-o", "out", "--exit", code=3)[1], "what is not there")
    case.kith("get", "http://127.0.0.1:1/x.torrent", code=3)


def one_file_streams_to_standard_output(case):
    root = case.data()
    share = case.start("share", "Data", "--listen", "127.0.0.1")
    link = first_line(share)
    cache = {"XDG_CACHE_HOME": str(case.work / "cache")}
    command = [KITH, "get", link, "-o", "-", "--listen", "127.0.0.1"]
    done = subprocess.run([*command, "--files", "*film.bin"], capture_output=True, cwd=case.work, timeout=BOUND_S,
                          env={**case.environment, **cache})
    expect(done.returncode, 0, "exit code")
    expect(done.stdout, (root / "film.bin").read_bytes(), "the stream")
    expect([p for p in (case.work / "cache").rglob("*") if p.is_file()], [], "files left behind")
    several = subprocess.run(command, capture_output=True, cwd=case.work, timeout=BOUND_S,
                             env={**case.environment, **cache})
    expect((several.returncode, several.stdout), (2, b""), "a torrent of several files")
    expect_in("--files", several.stderr.decode(), "the way out")


def get_lists_without_fetching(case):
    case.data()
    case.kith("create", "Data", "-o", "d.torrent")
    out, _ = case.kith("get", "d.torrent", "--list", "-o", "out")
    expect(sorted(line.split()[-1] for line in out.splitlines()), ["deep/er/photo.jpg", "film.bin", "tiny"], "the list")
    expect((case.work / "out").exists(), False, "a folder for nothing")


def get_says_why_nobody_is_there_and_what_to_do(case):
    get = case.start("get", "magnet:?xt=urn:btih:" + "ab" * 20, "--listen", "127.0.0.1", "--json", "--no-lsd")
    kinds = []
    while not kinds or kinds[-1]["type"] != "alone":
        kinds.append(json.loads(first_line(get)))
    expect_in("-p HOST:PORT", kinds[-1]["advice"], "the advice")
    expect_in("waiting", kinds[-1]["waiting_for"], "the reason")
    get.send_signal(signal.SIGINT)
    get.communicate(timeout=BOUND_S)


def who_leaves_the_terminal_ends_it_cleanly(case):
    case.data()
    for number in (signal.SIGHUP, signal.SIGTERM):
        share = case.start("share", "Data", "--listen", "127.0.0.1")
        first_line(share)
        share.send_signal(number)
        share.communicate(timeout=BOUND_S)
        expect(share.returncode, 0, f"exit code after {number}")
    share = case.start("share", "Data", "--listen", "127.0.0.1", "--json")
    while json.loads(first_line(share))["type"] != "link":
        pass
    share.stdout.close()
    expect(share.wait(timeout=BOUND_S), 0, "exit code when nobody reads")
    expect(share.stderr.read(), b"", "words when nobody reads")


def closed_descriptors_do_no_harm(case):
    root = case.data()
    share = case.start("share", "Data", "--listen", "127.0.0.1")
    link = first_line(share)
    done = subprocess.run(["sh", "-c", '"$0" get "$1" -o out --exit --listen 127.0.0.1 <&- >&- 2>&-', KITH, link],
                          cwd=case.work, timeout=BOUND_S, env=case.environment)
    expect(done.returncode, 0, "exit code")
    expect((case.work / "out/Data/film.bin").read_bytes(), (root / "film.bin").read_bytes(), "the data")


def a_terminal_is_redrawn_after_a_stop(case):
    master, slave = pty.openpty()
    get = subprocess.Popen([KITH, "get", "magnet:?xt=urn:btih:" + "ab" * 20, "--listen", "127.0.0.1", "--no-lsd"],
                           cwd=case.work, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                           env={**case.environment, "TERM": "xterm"})
    case.processes.append(get)
    os.close(slave)

    def read_until(what):
        seen = b""
        while what not in seen:
            ready, _, _ = select.select([master], [], [], BOUND_S)
            if not ready:
                raise Failure(f"no {what!r} in {seen!r}")
            seen += os.read(master, 65536)
        return seen

    read_until(b"looking it up")
    get.send_signal(signal.SIGSTOP)  # a terminal's Ctrl-Z does not stop a group without a parent
    os.waitid(os.P_PID, get.pid, os.WSTOPPED | os.WNOWAIT)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 10, 0, 0))
    while select.select([master], [], [], 0)[0]:
        os.read(master, 65536)
    get.send_signal(signal.SIGCONT)
    read_until(b"looking i\x1b[K")
    get.send_signal(signal.SIGINT)
    read_until(b"goes on from here")
    expect(get.wait(timeout=BOUND_S), 7, "exit code")
    os.close(master)


def a_link_is_asked_for_without_echo(case):
    master, slave = pty.openpty()
    get = subprocess.Popen([KITH, "get", "--list"], cwd=case.work, stdin=slave, stdout=slave, stderr=slave,
                           env={**case.environment, "TERM": "dumb"})
    case.processes.append(get)
    os.close(slave)
    seen = b""
    while b"link: " not in seen:
        seen += os.read(master, 65536)
    os.write(master, b"magnet:?xt=urn:btih:secretsecret\n")
    try:
        while part := os.read(master, 65536):
            seen += part
    except OSError:
        pass
    expect(get.wait(timeout=BOUND_S), 10, "exit code")
    if b"magnet" in seen:
        raise Failure("the link was echoed")
    os.close(master)


def only_ascii_where_the_locale_has_no_more(case):
    name = "Fotos-\u00e4\u00f6"
    case.data(name)
    out, _ = case.kith("create", name, "-o", "d.torrent", LC_ALL="C")
    shown, _ = case.kith("show", "d.torrent", LC_ALL="C")
    if not (out + shown).isascii():
        raise Failure("more than ASCII in the C locale")
    expect_in("\\u{00e4}", shown, "an escape")
    expect_in(name, case.kith("show", "d.torrent")[0], "the name in UTF-8")


def old_records_go_and_used_ones_stay(case):
    state = case.work / "state" / "kith"
    state.mkdir(parents=True)
    old, recent, foreign = "a" * 32 + ".db", "b" * 32 + ".db", "notes.db"
    for name in (old, old + ".1", old + ".lock", recent, foreign):
        (state / name).write_bytes(b"")
    for name in (old, old + ".1", old + ".lock", foreign):
        os.utime(state / name, (1_600_000_000, 1_600_000_000))
    case.kith("get", "magnet:?xt=urn:btih:zz", code=10)
    there = sorted(p.name for p in state.iterdir())
    expect([n for n in (old, old + ".1", old + ".lock") if n in there], [], "what nobody used for years")
    expect([n for n in (recent, foreign) if n not in there], [], "what is not ours to remove")


def what_is_not_used_of_a_torrent_is_said(case):
    case.data()
    info = lt.bdecode(lt_torrent_of(case.work / "Data"))[b"info"]
    tiers = [[f"http://127.0.0.1:1/{t}/{i}/announce" for i in range(50)] for t in range(25)]
    seeds = [f"http://127.0.0.1:1/{i}/" for i in range(1002)]
    nodes = [["10.0.0.1", 1 + i] for i in range(1003)]
    (case.work / "many.torrent").write_bytes(
        lt.bencode({"info": info, "announce-list": tiers, "url-list": seeds, "nodes": nodes}))
    out, _ = case.kith("show", "many.torrent")
    expect_in("250 more, which are not read", out, "trackers past the bound")
    expect_in("kith asks 64 of these 1000, evenly of each tier", out, "trackers in use")
    expect_in("2 more, which are not read", out, "web seeds past the bound")
    expect_in("kith uses the first 8 of these 1000", out, "web seeds in use")
    expect_in("3 more, which are not read", out, "DHT nodes past the bound")
    expect_in("kith asks the first 8 of these 1000", out, "DHT nodes in use")
    shown = json.loads(case.kith("show", "--json", "many.torrent")[0])
    expect((shown["trackers_unread"], shown["web_seeds_unread"], shown["nodes_unread"]), (250, 2, 3), "in JSON")
    link = "magnet:?xt=urn:btih:" + "11" * 20 + "".join(f"&tr=http://127.0.0.1:1/{i}/announce" for i in range(100))
    expect_in("kith asks 64 of these 100", case.kith("show", link)[0], "of a link")
    get = case.start("get", "--json", "--listen", "127.0.0.1", "-o", "out", "--bootstrap", "none", "many.torrent", KITH_NO_DHT="0")
    texts = [next_of_type(get, "warning")["text"] for _ in range(3)]
    expect(sum("1003 DHT nodes: the first 8" in text for text in texts), 1, "DHT nodes, when it begins")
    expect(sum("64 of them are asked" in text for text in texts), 1, "trackers, when it begins")
    expect(sum("8 of them are used" in text for text in texts), 1, "web seeds, when it begins")
    get = case.start("get", "--json", "--listen", "127.0.0.1", "-o", "out", link)
    expect_in("it names 100 trackers: 64 of them", next_of_type(get, "warning")["text"], "of a link, when it begins")


def lt_torrent_of(path):
    storage = lt.file_storage()
    lt.add_files(storage, str(path))
    creator = lt.create_torrent(storage, flags=lt.create_torrent.v1_only)
    lt.set_piece_hashes(creator, str(path.parent))
    return lt.bencode(creator.generate())


def create_leaves_out_what_it_is_told_to(case):
    case.data()
    for path in ("deep/a.part", "b.part", ".git/config", "deep/keep.txt"):
        (case.work / "Data" / path).parent.mkdir(exist_ok=True)
        (case.work / "Data" / path).write_text(path)
    _, err = case.kith("create", "-e", "*.part", "-e", ".git", "-e", "deep/er", "-o", "e.torrent", "Data")
    expect_in("left out by --exclude: 4 files or folders", err, "what was left out")
    paths = sorted(f["path"] for f in json.loads(case.kith("show", "--json", "e.torrent")[0])["files"]
                   if not f["pad"])
    expect(paths, ["deep/keep.txt", "film.bin", "tiny"], "files")
    case.kith("verify", "e.torrent", "Data")
    expect_in("nothing matches --exclude", case.kith("create", "-e", "*.zip", "-o", "z.torrent", "Data")[1], "a miss")
    expect_in("everything in it is excluded", case.kith("create", "-e", "*", "-o", "n.torrent", "Data", code=3)[1], "all")


def cross_seeds_have_hashes_of_their_own(case):
    case.data()
    hashes = set()
    for name in ("a", "b", "c"):
        options = [] if name == "c" else ["-x"]
        case.kith("create", "-d", *options, "-o", f"{name}.torrent", "Data")
        torrent = lt.torrent_info(str(case.work / f"{name}.torrent"))
        hashes.add((str(torrent.info_hashes().v1), str(torrent.info_hashes().v2)))
        case.kith("verify", f"{name}.torrent", "Data")
    expect(len(hashes), 3, "different torrents")


def share_takes_a_folder_however_it_is_named(case):
    data = case.data()
    for name, cwd in ((".", data), ("..", data / "deep"), ("Data/", case.work), ("./Data/../Data", case.work)):
        process = subprocess.Popen([KITH, "share", name, "--listen", "127.0.0.1"], cwd=cwd, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=case.environment)
        case.processes.append(process)
        expect_in("dn=Data", first_line(process), name)
        process.kill()


def what_is_no_data_is_told_plainly(case):
    case.data()
    expect_in("is neither a file nor a folder", case.kith("share", "/dev/null", code=10)[1], "a device")
    expect_in("'kith create' makes a torrent", case.kith("show", "Data", code=3)[1], "a folder to show")
    expect_in("'kith create' makes a torrent", case.kith("get", "Data", code=3)[1], "a folder to get")
    (case.work / "empty").mkdir()
    _, err = case.kith("create", "empty", code=3)
    expect(err.count("not found"), 0, "what is said twice")


def names_that_nobody_could_find_again_are_named_before_there_is_a_link(case):
    data = case.data()
    (data / "deep/line\nbreak").write_text("x")
    expect_in("line\\x0abreak: has a line break", case.kith("share", "Data", code=10)[1], "the sharer is told")
    case.kith("create", "Data")  # for whoever can have such names


def as_nobody(case, *argv):
    """As a user who may not do everything. Where the tests run as somebody ordinary, as that one."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    (case.work / "nobody").mkdir(exist_ok=True)
    if nobody:
        os.chmod(case.work, 0o755)
        os.chown(case.work / "nobody", 65534, 65534)
    return subprocess.run([*nobody, KITH, *argv], cwd=case.work, capture_output=True, text=True, timeout=BOUND_S,
                          stdin=subprocess.DEVNULL, env={**case.environment, "XDG_STATE_HOME": str(case.work / "nobody")})


def what_is_not_allowed_is_told_at_once(case):
    data = case.data()
    case.kith("create", "Data")
    (case.work / "locked").mkdir(mode=0o555)
    done = as_nobody(case, "get", "Data.torrent", "-o", "locked", "-p", "127.0.0.1:1")
    expect(done.returncode, 9, "exit code: " + done.stderr)
    expect_in("nothing can be written in", done.stderr, "a folder that is locked")
    os.chmod(data / "tiny", 0)
    for command in ("create", "share"):
        done = as_nobody(case, command, "Data", *(["-o", "nobody/x"] if command == "create" else []))
        expect(done.returncode, 9, command)
        expect_in("tiny: cannot be read: permission denied", done.stderr, command)


def data_that_changes_while_it_is_shared_is_told_to_both(case):
    (case.work / "Data").mkdir()
    film = case.work / "Data" / "film.bin"
    film.write_bytes(random.Random(1).randbytes(20_000_000))
    link = first_line(case.start("share", "Data", "--listen", "127.0.0.1"))
    with open(film, "r+b") as f:
        f.write(random.Random(2).randbytes(20_000_000))
    get = case.start("get", "--json", link, "-o", "out", "--listen", "127.0.0.1")
    while "sent bad data" not in next_of_type(get, "progress")["waiting_for"]:
        pass
    film.write_bytes(random.Random(1).randbytes(20_000_000))
    share = case.start("share", "Data", "--listen", "127.0.0.1")
    link = first_line(share)
    os.truncate(film, 0)
    case.start("get", link, "-o", "out2", "--listen", "127.0.0.1")
    expect(share.wait(timeout=BOUND_S) != 0, True, "the sharer's exit code")
    expect_in("Data/film.bin: the file has changed", share.stderr.read().decode(), "the sharer's last words")


# ---- what may go wrong with what comes in and goes out ---------------------------------------------------


def what_is_empty_is_no_torrent(case):
    (case.work / "empty.torrent").touch()
    for argv, environment in ((["get", "empty.torrent"], {}), (["get", "-"], {}), (["get"], {"KITH_LINK": ""}),
                              (["show", "empty.torrent"], {}), (["verify", "empty.torrent"], {})):
        expect_in("it is empty", case.kith(*argv, code=10, **environment)[1], argv)
    with Served(case) as url:
        expect_in("it is empty", case.kith("get", f"{url}/empty.torrent", code=10)[1], "an empty answer")


def an_info_hash_is_a_link(case):
    out, _ = case.kith("create", case.data(), "-o", "d.torrent", "--json")
    made = json.loads(out)
    for digits in (made["info_hash_v1"], made["info_hash_v2"].upper()):
        link = case.kith("show", digits, "--magnet")[0]
        expect_in(digits.lower(), link, "the link of the digits")
    (case.work / ("ab" * 20)).write_bytes((case.work / "d.torrent").read_bytes())
    expect_in("film.bin", case.kith("show", "ab" * 20)[0], "a file of that name comes first")


def output_that_cannot_be_written_is_an_error(case):
    root = case.data()
    case.kith("create", root, "-o", "d.torrent")
    share = case.start("share", root, "--listen", "127.0.0.1")
    link = first_line(share)
    stream = ["get", link, "--files", "*film.bin", "-o", "-", "--listen", "127.0.0.1"]
    for argv in (["show", "d.torrent"], ["verify", "--json", "d.torrent"], ["help"], ["create", root, "-o", "e.torrent"],
                 ["completion", "bash"], ["share", root], stream):
        with open("/dev/full", "w") as full:
            done = subprocess.run([KITH, *map(str, argv)], stdout=full, stderr=subprocess.PIPE, cwd=case.work, text=True,
                                  timeout=BOUND_S, env={**case.environment, "XDG_CACHE_HOME": str(case.work / "cache")})
        expect(done.returncode in (1, 6), True, f"{argv}: exit {done.returncode}")
        expect_in("standard output: ", done.stderr, argv)


def create_writes_where_it_is_told(case):
    root = case.data()
    case.kith("create", "-d", root, "-o", "d.torrent")
    wanted = (case.work / "d.torrent").read_bytes()
    piped = subprocess.run([KITH, "create", "-d", str(root), "-o", "-"], capture_output=True, cwd=case.work,
                           timeout=BOUND_S, env=case.environment)
    expect((piped.returncode, piped.stdout), (0, wanted), "-o -")
    expect_in(b"info-hash v2", piped.stderr, "what is said beside it")
    case.kith("create", root, "-o", "-", "--json", code=2)
    os.symlink("real.torrent", case.work / "link.torrent")
    (case.work / "real.torrent").write_bytes(b"old")
    case.kith("create", "-d", root, "-o", "link.torrent", code=8)
    case.kith("create", "-d", "-f", root, "-o", "link.torrent")
    expect((case.work / "link.torrent").is_symlink(), True, "the link is one still")
    expect((case.work / "real.torrent").read_bytes(), wanted, "what it leads to")
    os.mkfifo(case.work / "pipe")
    reader = subprocess.Popen(["cat", str(case.work / "pipe")], stdout=subprocess.PIPE)
    case.kith("create", "-d", root, "-o", "pipe")
    expect(reader.communicate(timeout=BOUND_S)[0], wanted, "through a named pipe")
    expect(sorted(p.name for p in case.work.glob("*.part*")), [], "what was left behind")
    case.kith("create", root, "-o", "nowhere/d.torrent", code=3)
    expect_in("a name is that of one file", case.kith("create", root, "-n", "../evil", code=2)[1], "a name")


def what_a_torrent_cannot_hold_is_told(case):
    root = case.data()
    (root / "nothing").mkdir()
    os.mkfifo(root / "pipe")
    expect_in("left out: pipe is a socket", case.kith("create", root, "-o", "d.torrent")[1], "create")
    share = case.start("share", "Data", "--listen", "127.0.0.1")
    first_line(share)
    share.send_signal(signal.SIGINT)
    said = share.communicate(timeout=BOUND_S)[1].decode()
    expect_in("not shared, it is a socket, pipe or device: pipe", said, "share")
    expect_in("not shared, it is an empty folder: nothing", said, "share")


def help_is_asked_for_as_options_are(case):
    case.data()
    expect(case.kith("create", "-qh", "Data"), case.kith("help", "create"), "in a cluster")
    case.kith("create", "-c", "-h", "Data", "-o", "h.torrent")
    expect_in("-h", case.kith("show", "h.torrent")[0], "as a value")
    case.kith("create", "--comment=x", "-f", "--", "-h", code=3)


def who_names_the_wrong_thing_is_told_which(case):
    case.kith("create", case.data(), "-o", "d.torrent")
    expect_in("nowhere: No such file", case.kith("verify", "d.torrent", "nowhere", code=3)[1], "verify")
    expect_in("name that", case.kith("verify", "magnet:?xt=urn:btih:" + "ab" * 20, code=2)[1], "verify a link")
    expect_in("no network", case.kith("show", "http://127.0.0.1/x.torrent", code=2)[1], "show an address")
    expect_in("this is no folder", case.kith("get", "d.torrent", "-o", "d.torrent", code=8)[1], "get into a file")


def a_prompt_leaves_the_terminal_as_it_was(case):
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    get = subprocess.Popen([KITH, "get"], cwd=case.work, stdin=slave, stdout=slave, stderr=slave,
                           env={**case.environment, "TERM": "dumb"})
    case.processes.append(get)
    seen = b""
    while b"link: " not in seen:
        seen += os.read(master, 65536)
    expect(termios.tcgetattr(slave)[3] & termios.ECHO, 0, "the echo while it asks")
    get.send_signal(signal.SIGTERM)
    expect(get.wait(timeout=BOUND_S), 7, "exit code")
    expect(termios.tcgetattr(slave), before, "the terminal")
    os.close(slave)
    os.close(master)


def a_long_link_is_taken_whole(case):
    master, slave = pty.openpty()
    get = subprocess.Popen([KITH, "get", "--list", "-v", "--listen", "127.0.0.1"], cwd=case.work, stdin=slave,
                           stdout=slave, stderr=subprocess.PIPE, env={**case.environment, "TERM": "dumb"})
    case.processes.append(get)
    os.close(slave)
    seen = b""
    while b"link: " not in seen:
        seen += get.stderr.read(1)
    link = "magnet:?dn=" + "x" * 6000 + "&xt=urn:btih:zz\n"
    for at in range(0, len(link), 1000):
        os.write(master, link[at:at + 1000].encode())
    expect(get.wait(timeout=BOUND_S), 10, "exit code")
    expect_in(b"btih", get.stderr.read(), "what is wrong is at its end")
    os.close(master)


def what_a_killed_stream_left_goes(case):
    cache = case.work / "cache" / "kith"
    left, held, new, foreign = cache / ("a" * 32), cache / ("b" * 32), cache / ("c" * 32), cache / "mine"
    for folder in (left, held, new, foreign):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "film.bin").write_bytes(b"x")
    for folder in (left, held, foreign):
        os.utime(folder, (1_600_000_000, 1_600_000_000))
    lock = os.open(held, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    case.kith("get", "magnet:?xt=urn:btih:zz", "-o", "-", code=10, XDG_CACHE_HOME=str(cache.parent))
    os.close(lock)
    there = [p for p in (left, held, new, foreign) if p.exists()]
    expect(there, [held, new, foreign], "what is there")


def a_narrow_terminal_shows_what_matters(case):
    root = case.work / "Data"
    root.mkdir()
    (root / "film.bin").write_bytes(random.Random(1).randbytes(3_000_000))
    link = first_line(case.start("share", "Data", "--listen", "127.0.0.1", "--upload", "500000"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    get = subprocess.Popen([KITH, "get", link, "--listen", "127.0.0.1", "-o", "out"], cwd=case.work, stdin=slave,
                           stdout=slave, stderr=slave, env={**case.environment, "TERM": "xterm"})
    case.processes.append(get)
    os.close(slave)
    seen = b""
    while not re.search(rb"getting +\d+ %  [0-9.]+ [kM]?B/s  [^\r\n]* left  1 peer", seen):
        ready, _, _ = select.select([master], [], [], BOUND_S)
        if not ready:
            raise Failure(f"no rate in {seen!r}")
        seen += os.read(master, 65536)
    get.kill()
    get.wait()
    os.close(master)


COMMANDS = ["share", "get", "create", "show", "verify", "dht", "completion", "help"]
CASES = [value for value in list(globals().values())
         if callable(value) and getattr(value, "__code__", None) and value.__code__.co_varnames[:1] == ("case",)]


def run_case(run):
    case = Case()
    name = run.__name__.replace("_", " ")
    try:
        run(case)
        print(f"ok - {name}", flush=True)
        return True
    except (Failure, subprocess.TimeoutExpired, json.JSONDecodeError, OSError) as failure:
        print(f"not ok - {name}: {failure}", flush=True)
        return False
    finally:
        case.close()


def main():
    wanted = sys.argv[2:]
    results = [run_case(run) for run in CASES
               if not wanted or any(w in run.__name__.replace("_", " ") for w in wanted)]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) and results else 1)


main()
