#!/usr/bin/python3
"""The commands as their users meet them: words, exit codes, JSON, pipes, signals.

    tests/cli/run.py KITH [NAME...]

Nothing here needs a network but loopback. Each case is a function with one argument, `case`, in the modules below."""
import json
import subprocess
import sys

import sharing
import terminal
import torrents
import words
from harness import Case, Failure


def cases():
    for module in (words, torrents, sharing, terminal):
        for value in vars(module).values():
            if getattr(value, "__code__", None) and value.__code__.co_varnames[:1] == ("case",) \
                    and value.__module__ == module.__name__:
                yield value


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
    results = [run_case(run) for run in cases()
               if not wanted or any(w in run.__name__.replace("_", " ") for w in wanted)]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) and results else 1)


main()
