"""Usage, help, man pages, completions, the environment, JSON, and what is no input."""
import json
import re
import signal
import subprocess

from harness import BOUND_S, expect, expect_in, Failure, first_line, Served

COMMANDS = ["share", "get", "create", "show", "verify", "dht", "completion", "help"]


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
