"""create, show and verify. The formats are held against libtorrent (python3-libtorrent)."""
import json
import os
import signal
import subprocess

import libtorrent as lt

from harness import as_nobody, BOUND_S, expect, expect_in, Failure, first_line, KITH, lt_torrent_of, next_of_type


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
    done = subprocess.run([KITH, "create", ".", "--json"], capture_output=True, cwd=root, timeout=BOUND_S, env=case.environment)
    expect(json.loads(done.stdout)["files"], 3, "a torrent of the folder that it is written into")
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
