"""What `auto` decides, and whether that was right: sudo -E python benchmarks/planner.py.

At each bandwidth ranks start on the link as it then stays, and train long enough for `auto` to
decide. Then it takes turns with plain DDP and with each preset, as in network.py. Writes
planner.json and planner.md. Needs root.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
from pathlib import Path

import torch
from rich.console import Console

from environment import environment
from methods import BASELINE
from namespaces import Link, Network, NetworkError
from network import PACKAGES, PLANS, RESULTS, start_of, stop
from network_cells import Cell, Layout, Record
from network_report import rate
from race import Race, progress_on
from ranks import Job
from speed_report import markdown

PRESETS = ("fast", "balanced")
MOST_SLOWER = 1.02  # than plain DDP
LEAST_OF_BEST = 0.95  # of the speed of the best fixed choice
NOTE = (
    "Seconds a step, medians; in parentheses step time / plain DDP's, the median of turns. Of "
    "best: the least of the other methods' ratios / auto's."
)


def methods_of(record: Record) -> dict[tuple[str, Layout, float], dict[str, Cell]]:
    links: dict[tuple[str, Layout, float], dict[str, Cell]] = {}
    for cell in record.cells:
        if not cell.failure:
            links.setdefault((cell.task, cell.layout, cell.mbit), {})[cell.method] = cell
    return links


def show(record: Record) -> str:
    methods = (BASELINE, *PRESETS, "auto")
    lines, slowest, worst = [], 0.0, 1.0
    for (task, layout, mbit), cells in methods_of(record).items():
        if "auto" not in cells:
            continue
        ratios = {method: cell.ratio or 0.0 for method, cell in cells.items()}
        best = min(ratio for method, ratio in ratios.items() if method != "auto")
        of_best = best / ratios["auto"]
        slowest, worst = max(slowest, ratios["auto"]), min(worst, of_best)
        shown = [
            f"{cells[method].median_s:.3f} ({ratios[method]:.2f})" if method in cells else ""
            for method in methods
        ]
        lines.append([task, str(layout), rate(mbit), *shown, f"{of_best:.2f}"])
    text = markdown(("net", "hosts x ranks", "link", *methods, "of best"), lines)
    text += f"\n{NOTE}\n\n"
    goals = [
        ["auto / plain DDP, at worst", f"<= {MOST_SLOWER}", f"{slowest:.2f}"],
        ["of the best fixed choice, at worst", f">= {LEAST_OF_BEST}", f"{worst:.2f}"],
    ]
    text += markdown(("goal", "to reach", "measured"), goals) + "\n"
    for where, explained in record.about.get("explained", {}).items():
        text += f"{where}:\n\n" + "".join(f"    {line}\n" for line in explained.splitlines()) + "\n"
    return text


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=PLANS, default=["gpt128"])
    layouts = [Layout(2, 1), Layout(4, 1)]
    parser.add_argument("--layouts", nargs="+", type=Layout.parse, default=layouts)
    mbit = [30.0, 100.0, 1000.0, 10_000.0]
    parser.add_argument("--mbit", nargs="+", type=float, default=mbit)
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the results go")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    signal.signal(signal.SIGTERM, stop)
    torch.set_num_threads(1)  # this process forks ranks
    console = Console()
    record = Record({"environment": environment(PACKAGES)})
    file = options.output / "planner.json"
    cores = len(os.sched_getaffinity(0))
    with progress_on(console) as progress:
        cells = len(options.tasks) * len(options.layouts) * len(options.mbit)
        bar = progress.add_task("", total=cells * (len(PRESETS) + 2))
        race = Race(record, progress, bar)
        for task in options.tasks:
            start = start_of(task, cores, console)
            for layout in options.layouts:
                for mbit in options.mbit:
                    with Network(layout.hosts) as network, tempfile.TemporaryDirectory() as folder:
                        threads = max(1, cores // layout.ranks)
                        jobs = [
                            Job(task, method, layout.ranks, threads, start, Path(folder, method))
                            for method in (BASELINE, *PRESETS, "auto")
                        ]
                        race.run(jobs, layout, network, [mbit], Link(mbit))
                    record.save(file)
    text = show(record)
    console.print(text, markup=False, soft_wrap=True)
    file.with_suffix(".md").write_text(text)
    console.print(f"{file} and its .md written.")


if __name__ == "__main__":
    try:
        main()
    except NetworkError as error:
        raise SystemExit(f"benchmarks/planner.py: {error}") from None
