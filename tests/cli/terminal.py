"""Terminals, pipes and prompts."""
import fcntl
import json
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import termios

from harness import BOUND_S, expect, expect_in, Failure, first_line, KITH


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
