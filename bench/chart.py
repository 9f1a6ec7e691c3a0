"""A line chart as SVG, written by hand: axes by decades or plain, each line named at its end.

    Chart("Memory of idle torrents", "torrents", "bytes each", log_y=True, limit=(1024, "asked: at most 1,024"),
          lines={"kith": [(100, 19251), (1000, 2613)]}).write(path)

It paints its own ground and asks whether the reader's is dark, so that it is legible in a page of either kind.
Lines differ in colour and in marks. Points that a logarithm does not know (0 and less) are left out.
"""
import dataclasses
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 400
LEFT, TOP, BOTTOM = 72, 50, 52
LETTER, LINE = 6.7, 16  # what a letter and a line of text take
MARKS_PER_DECADE = {1: (1,), 2: (1, 2, 5)}  # where numbers stand: by whether decades are few
LIGHT = ("#0b62c4", "#c2410c", "#15803d", "#9333ea", "#b4236b", "#0f766e", "#8a6d00", "#57534e")
DARK = ("#6cb2ff", "#ff9a62", "#5fd88a", "#c79bff", "#ff86bd", "#4fd6c8", "#e3c34d", "#bdb6b0")


def styles():
    def theme(ground, ink, faint, colours):
        rules = [f".ground{{fill:{ground}}}", f"text{{fill:{ink}}}", f".grid{{stroke:{faint}}}", f".axis{{stroke:{ink}}}"]
        rules += [f".l{i}{{stroke:{c}}}.m{i}{{fill:{c};stroke:{ground}}}text.n{i}{{fill:{c}}}"
                  for i, c in enumerate(colours)]
        return "".join(rules)
    common = ("text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}.title{font-size:15px;"
              "font-weight:600}.grid{stroke-width:1}.line{fill:none;stroke-width:2;stroke-linejoin:round}"
              ".limit{stroke-dasharray:6 4;stroke-width:1.5}.mark{stroke-width:1.5}")
    return (f"<style>{common}{theme('#ffffff', '#24292f', '#e3e6ea', LIGHT)}"
            f"@media(prefers-color-scheme:dark){{{theme('#0d1117', '#d5dce3', '#272d35', DARK)}}}</style>")


def mark(kind, x, y):
    """A sign of a line at a point: they differ for who does not tell colours apart."""
    if kind == 0:
        return f'<circle class="mark m{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    corners = {1: ((-4, -4), (4, -4), (4, 4), (-4, 4)), 2: ((0, -5.5), (5, 4), (-5, 4)),
               3: ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)), 4: ((0, 5.5), (5, -4), (-5, -4)),
               5: ((-5, -2), (5, -2), (5, 2), (-5, 2)), 6: ((-2, -5), (2, -5), (2, 5), (-2, 5)),
               7: ((-5, -4), (0, 0), (5, -4), (5, 4), (0, 0), (-5, 4))}[kind]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon class="mark m{kind}" points="{points}"/>'


class Axis:
    """From values to places, and where numbers stand."""

    def __init__(self, values, begin, end, log):
        self.begin, self.end, self.log = begin, end, log
        self.ticks = self.decades(values) if log else self.steps(values)
        self.low, self.high = self.scale(self.ticks[0]), self.scale(self.ticks[-1])

    def scale(self, value):
        return math.log10(value) if self.log else value

    def place(self, value):
        return self.begin + (self.end - self.begin) * (self.scale(value) - self.low) / (self.high - self.low)

    def decades(self, values):
        first, last = math.floor(math.log10(min(values)) + 1e-9), math.ceil(math.log10(max(values)) - 1e-9)
        last = max(last, first + 1)
        parts = MARKS_PER_DECADE[1 if last - first > 2 else 2]
        ticks = [part * 10.0**d for d in range(first, last) for part in parts] + [10.0**last]
        # Nothing is gained by numbers beyond the outermost values.
        low = max(t for t in ticks if t <= min(values) * 1.001)
        high = min([t for t in ticks if t >= max(values) * 0.999 and t > low] or ticks[-1:])
        return [t for t in ticks if low <= t <= high]

    def steps(self, values):
        low, high = min(values), max(values)
        rough = (high - low or abs(high) or 1) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = unit * next(m for m in (1, 2, 5, 10) if m * unit >= rough)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        return [step * i for i in range(first, max(last, first + 1) + 1)]


def number(value):
    return f"{value:,.0f}" if value >= 1 and abs(value - round(value)) < 1e-9 else f"{value:.6g}"


def apart(places, least, top, bottom):
    """Labels' places moved so that none covers another: each stays as near to its line as it can."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    out = list(places)
    for _ in range(200):
        for a, b in zip(order, order[1:]):
            lack = least - (out[b] - out[a])
            if lack > 0:
                out[a] -= lack / 2
                out[b] += lack / 2
        out = [min(max(y, top), bottom) for y in out]
    return out


@dataclasses.dataclass
class Chart:
    title: str
    x: str
    y: str
    lines: dict  # name: [(x, y)]
    log_x: bool = True
    log_y: bool = True
    limit: tuple = None  # (y, what it is called): a broken line
    floor: float = None  # the y axis begins at this, if it is plain

    def points(self):
        """Each line's that can be drawn; lines without any are not."""
        known = {name: sorted((x, y) for x, y in line if (x > 0 or not self.log_x) and (y > 0 or not self.log_y))
                 for name, line in self.lines.items()}
        return {name: line for name, line in known.items() if line}

    def svg(self):
        lines = self.points()
        if not lines:
            raise ValueError(f"{self.title}: there is nothing to draw")
        right = WIDTH - 24 - LETTER * max(len(name) for name in lines)
        all_x = [x for line in lines.values() for x, _ in line]
        all_y = [y for line in lines.values() for _, y in line]
        all_y += [self.limit[0]] if self.limit else []
        all_y += [self.floor] if self.floor is not None and not self.log_y else []
        x_axis = Axis(all_x, LEFT, right, self.log_x)
        y_axis = Axis(all_y, HEIGHT - BOTTOM, TOP, self.log_y)
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'role="img" aria-label="{escape(self.title, {chr(34): "&quot;"})}">',
            styles(), f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
            f'<text class="title" x="{LEFT}" y="22">{escape(self.title)}</text>',
            *self.frame(x_axis, y_axis, right), *self.drawn(lines, x_axis, y_axis, right), "</svg>", ""])

    def frame(self, x_axis, y_axis, right):
        base = HEIGHT - BOTTOM
        out = [f'<text x="{LEFT}" y="{TOP - 10}">{escape(self.y)}</text>',
               f'<text x="{(LEFT + right) / 2:.1f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(self.x)}</text>']
        for tick in y_axis.ticks:
            y = y_axis.place(tick)
            out += [f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}"/>',
                    f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>']
        for tick in x_axis.ticks:
            x = x_axis.place(tick)
            out += [f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{base}"/>',
                    f'<text x="{x:.1f}" y="{base + 18}" text-anchor="middle">{number(tick)}</text>']
        out.append(f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{base}H{right:.1f}"/>')
        if self.limit:
            y = y_axis.place(self.limit[0])
            out += [f'<line class="axis limit" x1="{LEFT}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}"/>',
                    f'<text x="{LEFT + 6}" y="{y - 5:.1f}">{escape(self.limit[1])}</text>']
        return out

    def drawn(self, lines, x_axis, y_axis, right):
        out = []
        ends = [y_axis.place(line[-1][1]) for line in lines.values()]
        names = apart(ends, LINE, TOP, HEIGHT - BOTTOM)
        for i, (name, line) in enumerate(lines.items()):
            kind = i % len(LIGHT)
            places = [(x_axis.place(x), y_axis.place(y)) for x, y in line]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            out.append(f'<polyline class="line l{kind}" points="{path}"/>')
            out += [mark(kind, x, y) for x, y in places]
            out.append(f'<text class="n{kind}" x="{right + 12:.1f}" y="{names[i] + 4:.1f}">{escape(name)}</text>')
        return out

    def write(self, path):
        path.parent.mkdir(exist_ok=True)
        path.write_text(self.svg())
