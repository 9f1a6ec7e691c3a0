"""What grows, drawn: charts out of the tables of docs/performance.md, so that a drawing never tells another figure."""
from chart import Chart
from page import tables


def by_name(table, x, y):
    """A line for each name in the second column."""
    lines = {}
    for row in table.rows:
        lines.setdefault(row[1], []).append((table.value(row, x), table.value(row, y)))
    return lines


def by_column(table, x, titles, keep=lambda row: True):
    """A line for each column."""
    return {title: [(table.value(row, x), table.value(row, title)) for row in table.rows
                    if keep(row) and table.value(row, title) is not None] for title in titles if title in table.head}


def torrents(found):
    table, x = found[0], "torrents"
    return {"torrents-memory": Chart("Memory of a seeding torrent, idle", x, "bytes each",
                                     by_name(table, x, "bytes each"), limit=(1024, "asked: 1,024 at most")),
            "torrents-start": Chart("Start: until all torrents seed", x, "seconds", by_name(table, x, "ready s")),
            "torrents-idle": Chart("CPU while nothing happens", x, "percent of a core",
                                   by_name(table, x, "idle CPU %"), limit=(0.5, "asked: 0.5 at most"))}


def peers(found):
    table, x = found[0], "peers"
    names = {"idle: KiB each": "idle, at a seed", "giving: KiB each": "giving, to a leecher"}
    memory = {names[t]: line for t, line in by_column(table, x, names).items()}
    return {"peers-memory": Chart("Memory of a connected peer", x, "KiB each", memory),
            "peers-giving": Chart("Download from so many peers at once", x, "CPU seconds a GiB",
                                  {"kith": by_column(table, x, ["giving: CPU s/GiB"])["giving: CPU s/GiB"]}, log_y=False,
                                  floor=0)}


def decisions(found):
    table = found[0]
    titles = {"pick, nothing here yet": "pick: at the beginning", "pick, half is here, pieces begun": "pick: in the middle",
              "pick, what peers have is hardly ours to want": "pick: near the end", "have": "have",
              "leave, join, pick": "leave, join, pick", "choke, leeching": "choke, leeching"}

    def lines(x, keep):
        return {titles[t]: line for t, line in by_column(table, x, titles, keep).items()}
    return {"decisions-peers": Chart("One decision among 100,000 pieces", "peers", "microseconds",
                                     lines("peers", lambda r: table.value(r, "pieces") == 100000)),
            "decisions-pieces": Chart("One decision with 1,000 peers", "pieces", "microseconds",
                                      lines("pieces", lambda r: table.value(r, "peers") == 1000))}


SECTIONS = {"many": torrents, "peers": peers, "decisions": decisions}


def charts(name, lines):
    """A section's, by the name of their file."""
    found = tables(lines)
    if name not in SECTIONS or not found:
        return {}
    return {key: chart for key, chart in SECTIONS[name](found).items() if chart.points()}


def draw(name, lines, folder):
    """A section's charts into `folder`; the lines that show them."""
    made = charts(name, lines)
    for key, chart in made.items():
        chart.write(folder / f"{key}.svg")
    return [f"![{chart.title}]({folder.name}/{key}.svg)" for key, chart in made.items()]
