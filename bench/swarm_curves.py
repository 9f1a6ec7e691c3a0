"""The drawings of docs/performance-swarm.md, out of its own tables: a drawing never tells another figure."""
import pathlib
import re

import page
from chart import Chart

HERE = pathlib.Path(__file__).resolve().parent.parent / "docs"
PAGE, DRAWINGS = HERE / "performance-swarm.md", HERE / "performance"
FAMILIES = {"swarm": "seed 20, leechers 10 Mbit/s", "swarm-slow": "a tenth of that, the data as much"}


def rows_of(table, pattern):
    return [(found, row) for row in table.rows for found in [re.fullmatch(pattern, row[0])] if found]


def crowds(table):
    lines = {title: [(int(found[1]), table.value(row, "last / bound"))
                     for found, row in rows_of(table, rf"{name}-(\d+)")] for name, title in FAMILIES.items()}
    return Chart("The last leecher's time in that of the bound, TCP", "leechers", "times the bound", lines, log_y=False,
                 floor=1)


def distances(table):
    lines = {}
    for found, row in rows_of(table, r"pair-(\w+)-(\d+)ms-0%"):
        lines.setdefault(f"{found[1]}bit/s", []).append((int(found[2]), table.value(row, "kith / stream")))
    return Chart("A pair's time in that of one plain TCP stream, nothing lost", "ms one way", "times the stream", lines,
                 log_y=False, floor=1)


def section(text, name):
    return re.search(rf"(?s)(<!-- {name} -->\n)(.*?)(<!-- /{name} -->)", text)


def main():
    text = PAGE.read_text()
    for name, key, draw in (("pair", "swarm-distance", distances), ("swarm", "swarm-crowd", crowds)):
        found = section(text, name)
        chart = draw(page.tables(found[2].splitlines())[0])
        chart.write(DRAWINGS / f"{key}.svg")
        shown = [f"![{chart.title}]({DRAWINGS.name}/{key}.svg)"]
        lines = page.with_drawings(found[2].strip("\n").splitlines(), shown)
        body = "\n".join(lines).strip("\n")
        text = text[:found.start(2)] + "\n" + body + "\n\n" + text[found.end(2):]
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
