"""Rows and columns of the report."""
import statistics

from measure import GIB


def median(runs, what):
    return statistics.median(getattr(r, what) for r in runs)


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)] + ["| " + " | ".join(r) + " |" for r in rows]


COSTS = ["CPU s/GiB", "GB/s", "anonymous MiB", "resident MiB", "faults/GiB", "switches/GiB"]


def costs(runs):
    """What processes cost that moved or hashed `size` bytes each, in the order of COSTS."""
    size = runs[0].size
    gib = size / GIB
    wall = statistics.median(getattr(r, "took", r.wall) for r in runs)
    return [f"{median(runs, 'cpu') / gib:.3f}", f"{size / 1e9 / wall:.2f}", f"{median(runs, 'anonymous'):.0f}",
            f"{median(runs, 'resident'):.0f}", f"{median(runs, 'faults') / gib:.0f}",
            f"{median(runs, 'switches') / gib:.0f}"]


def cpu_per_gib(runs):
    return median(runs, "cpu") / runs[0].size * GIB


def cost_table(first, results, ours):
    """One row a label; the last column is our CPU divided by theirs."""
    mine = cpu_per_gib(results[ours])
    return table([first, *COSTS, f"{ours}'s CPU / this"],
                 [[label, *costs(runs), f"{mine / cpu_per_gib(runs):.2f}"] for label, runs in results.items()])
