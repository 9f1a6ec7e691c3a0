"""share and get: what is fetched, kept, replaced, remembered and said."""
import fcntl
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess

import libtorrent as lt

from harness import BOUND_S, expect, expect_in, Failure, first_line, free_port, KITH, next_of_type, Served


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


def share_takes_a_folder_however_it_is_named(case):
    data = case.data()
    for name, cwd in ((".", data), ("..", data / "deep"), ("Data/", case.work), ("./Data/../Data", case.work)):
        process = subprocess.Popen([KITH, "share", name, "--listen", "127.0.0.1"], cwd=cwd, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=case.environment)
        case.processes.append(process)
        expect_in("dn=Data", first_line(process), name)
        process.kill()


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
