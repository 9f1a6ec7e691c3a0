#!/usr/bin/python3
"""The page of measurements: what bench/ makes out of its tables."""
import pathlib
import sys
import unittest
import xml.etree.ElementTree as xml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import bars
import curves
import page
from chart import Axis, Chart, apart

ROOT = pathlib.Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def places(chart, tag="polyline"):
    """The points of each line, as numbers."""
    found = xml.fromstring(chart.svg()).iter(SVG + tag)
    return [[tuple(map(float, p.split(","))) for p in line.get("points").split()] for line in found]


class Charts(unittest.TestCase):
    def test_a_decade_is_as_wide_as_the_next(self):
        (a, b, c), = places(Chart("t", "x", "y", {"one": [(1, 10), (10, 100), (100, 1000)]}))
        self.assertAlmostEqual(b[0] - a[0], c[0] - b[0], delta=0.2)
        self.assertAlmostEqual(b[1] - a[1], c[1] - b[1], delta=0.2)

    def test_what_a_logarithm_does_not_know_is_left_out(self):
        (line,) = places(Chart("t", "x", "y", {"one": [(1, 0), (10, 2), (100, 3)], "none": [(1, 0)]}))
        self.assertEqual(len(line), 2)

    def test_names_at_the_ends_do_not_cover_one_another(self):
        names = sorted(apart([100, 101, 102, 300], 16, 50, 350))
        self.assertTrue(all(b - a >= 15.9 for a, b in zip(names, names[1:])), names)

    def test_a_plain_axis_reaches_past_its_values(self):
        axis = Axis([1.04, 1.73, 1], 0, 100, log=False)
        self.assertLessEqual(axis.ticks[0], 1)
        self.assertGreaterEqual(axis.ticks[-1], 1.73)

    def test_one_value_alone_can_be_drawn(self):
        for log in (True, False):
            Chart("t", "x", "y", {"one": [(1, 1)]}, log_x=log, log_y=log).svg()

    def test_a_title_cannot_break_the_file(self):
        xml.fromstring(Chart('a < "b" & c', "x", "y", {"<&>": [(1, 1), (2, 2)]}).svg())


class Page(unittest.TestCase):
    def setUp(self):
        self.sections = page.sections((ROOT / "docs/performance.md").read_text())

    def test_drawings_are_replaced_and_not_heaped_up(self):
        lines = page.with_drawings(["## t", "", "| a |", "| --- |", "| 1 |", "", "`how`"], ["![x](x.svg)"])
        self.assertEqual(page.with_drawings(lines, ["![x](x.svg)"]), lines)
        self.assertEqual(lines[-1], "`how`")

    def test_the_first_table_says_what_the_tables_below_say(self):
        self.assertIn("\n".join(bars.report(self.sections)), (ROOT / "docs/performance.md").read_text())

    def test_each_drawing_is_there_and_belongs_to_its_table(self):
        for name, lines in self.sections.items():
            for key, chart in curves.charts(name, lines).items():
                self.assertEqual((ROOT / f"docs/performance/{key}.svg").read_text(), chart.svg())
                self.assertTrue(any(f"performance/{key}.svg" in line for line in lines), key)

    def test_a_bar_tells_missed_from_met(self):
        self.assertEqual(bars.Bar("x", 1, 1).row("s")[-1], "yes")
        self.assertEqual(bars.Bar("x", 1, 1, strict=True).row("s")[-1], "**no**")
        self.assertEqual(bars.Bar("x", 0.9, least=1).row("s")[-1], "**no**")
        self.assertEqual(bars.Bar("x", None, 1).row("s")[-1], "not measured")

    def test_engines_that_are_absent_leave_their_bars_unmeasured(self):
        table = ["| Seeder | CPU s/GiB | GB/s |", "| --- | --- | --- |", "| kith | 0.5 | 2 |", ""]
        for name, made in bars.SECTIONS.items():
            if name in ("roles", "small", "plain", "rc4", "utp"):
                self.assertTrue(any(bar.reached is None for bar in made(page.tables([*table, *table]))), name)


unittest.main()
