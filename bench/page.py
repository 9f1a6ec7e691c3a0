"""docs/performance.md: its sections, and the tables in them, as they were written."""
import re


def sections(text):
    """name: lines. Each section begins with its name in a comment."""
    parts = re.split(r"(?m)^<!-- (\w+) -->\n", text)
    return {name: body.strip().splitlines() for name, body in zip(parts[1::2], parts[2::2])}


def with_drawings(lines, shown):
    """A section with its drawings behind its last table: those that it had before give way."""
    lines = [line for line in lines if not line.startswith("![")]
    last = max((i for i, line in enumerate(lines) if line.startswith("|")), default=len(lines) - 1) + 1
    before, after = lines[:last], lines[last:]
    while after and not after[0]:
        after.pop(0)
    blank = [line for drawing in shown for line in (drawing, "")]
    return [*before, "", *blank, *after]


def figure(cell):
    """The first number of a cell, or None: "1,000" and "13.8 (14)" are numbers."""
    found = re.match(r"-?[\d,]*\.?\d+", cell)
    return float(found.group().replace(",", "")) if found else None


class Table:
    """Rows by their names: the cells before `first` of a row together, or one of them."""

    def __init__(self, lines):
        self.head, _, *self.rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    def column(self, title):
        return self.head.index(title) if title in self.head else None

    def value(self, row, title):
        at = self.column(title)
        return None if at is None or at >= len(row) else figure(row[at])

    def row(self, *names):
        """The first row whose leading cells begin with these names."""
        return next((r for r in self.rows if all(cell.startswith(name) for cell, name in zip(r, names))), None)

    def cell(self, title, *names):
        row = self.row(*names)
        return row and self.value(row, title)


def tables(lines):
    """A section's tables, in order."""
    found, block = [], []
    for line in [*lines, ""]:
        if line.startswith("|"):
            block.append(line)
        elif block:
            found.append(Table(block))
            block = []
    return found
