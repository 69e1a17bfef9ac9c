"""Groups of ranks that train the same net by different methods, in turn on the same links."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from methods import BASELINE
from namespaces import Link, Network
from network_cells import Cell, Exactness, Layout, Record
from ranks import Job, RankError, Ranks, Trained

WARM_UP = 12  # steps: histories fill, and PowerSGD begins
PLANNING = 50  # steps, in which `auto` has decided
UNSHAPED = Link()
TURNS = 3
CELL_S = 5.0  # for all turns, but at least a step in each
MOST_STEPS = 16  # in a turn


def progress_on(console: Console) -> Progress:
    """Drawn when a race has something to say: a thread of its own would not survive forks."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, auto_refresh=False)


class Race:
    """Adds to `record` what it measures, and says it."""

    def __init__(self, record: Record, progress: Progress, task: TaskID) -> None:
        self.record = record
        self.console: Console = progress.console
        self._progress = progress
        self._task = task

    def run(
        self,
        jobs: list[Job],
        layout: Layout,
        network: Network,
        bandwidths: Sequence[float],
        warm_up: Link = UNSHAPED,
    ) -> None:
        """Of all jobs at all bandwidths, in Mbit/s; the first job is plain DDP."""
        network.shape(warm_up)
        with ExitStack() as stack:
            groups: dict[str, Ranks] = {}
            for job in jobs:
                self._tell(f"{job.task} {layout} {job.method}: warms up")
                ranks = stack.enter_context(Ranks(job, network))
                try:
                    ranks.train(PLANNING if job.method == "auto" else WARM_UP)
                    groups[job.method] = ranks
                except RankError as error:
                    ranks.close()
                    self._failed(job, layout, bandwidths, str(error))
            for number, mbit in enumerate(bandwidths):
                network.shape(Link(mbit))
                self._tell(f"{jobs[0].task} {layout}: {mbit:g} Mbit/s")
                failures = self._one_link(groups, layout, mbit)
                for method, reason in failures.items():
                    groups[method].close()
                    self._failed(groups.pop(method).job, layout, bandwidths[number:], reason)
            self._compare(groups, layout)
            self._explain(groups, layout, bandwidths)

    def _one_link(self, groups: dict[str, Ranks], layout: Layout, mbit: float) -> dict[str, str]:
        """Failed methods with their reason. The first turn adapts to the link: not counted."""
        turns: dict[str, list[Trained]] = {method: [] for method in groups}
        failures: dict[str, str] = {}
        steps = 1
        for turn in range(TURNS + 1):
            for method, ranks in groups.items():
                if method in failures:
                    continue
                start = time.monotonic()
                try:
                    turns[method].append(ranks.train(steps))
                except RankError as error:
                    failures[method] = str(error)
                if turn == 0 and method == BASELINE:
                    first_s = time.monotonic() - start
            if turn == 0:
                steps = min(max(1, int(CELL_S / TURNS / first_s)), MOST_STEPS)
                for method in turns:
                    turns[method].clear()
        for method, trained in turns.items():
            if method not in failures:
                self._add(groups[method].job, layout, mbit, trained, turns.get(BASELINE, []))
        return failures

    def _add(
        self, job: Job, layout: Layout, mbit: float, turns: list[Trained], plain: list[Trained]
    ) -> None:
        ratios = [own.median_s / other.median_s for own, other in zip(turns, plain, strict=False)]
        cell = Cell(
            task=job.task,
            layout=layout,
            mbit=mbit,
            method=job.method,
            step_s=[seconds for trained in turns for seconds in trained.step_s],
            ratio=statistics.median(ratios) if ratios else None,
            cpu_s=statistics.fmean(trained.cpu_s for trained in turns),
            sent_bytes=statistics.fmean(trained.sent_bytes for trained in turns),
            buckets=turns[-1].buckets,
        )
        if cell.key in {other.key for other in self.record.cells}:
            return  # plain DDP, once more beside others
        self.record.cells.append(cell)
        ratio = f"{cell.ratio:.2f} of plain" if cell.ratio else "plain failed"
        self.console.print(
            f"{cell.task} {layout} {mbit:g} Mbit/s {cell.method}: {cell.median_s:.3f} s, {ratio}, "
            f"{cell.sent_bytes / 1e6:.2f} MB"
        )
        self._progress.advance(self._task)

    def _compare(self, groups: dict[str, Ranks], layout: Layout) -> None:
        """All of them have taken the same steps."""
        if BASELINE not in groups:
            return
        hashes, plain = groups[BASELINE].parameters()
        for method, ranks in groups.items():
            own_hashes, own = ranks.parameters()
            difference = max(
                float((own[name] - value).norm() / value.norm().clamp_min(1e-30))
                for name, value in plain.items()
            )
            exactness = Exactness(
                task=ranks.job.task,
                layout=layout,
                method=method,
                same_on_ranks=len(set(own_hashes)) == 1,
                same_as_plain=own_hashes[0] == hashes[0],
                difference=difference,
            )
            self.record.exactness.append(exactness)

    def _explain(
        self, groups: dict[str, Ranks], layout: Layout, bandwidths: Sequence[float]
    ) -> None:
        if "auto" in groups:
            where = f"{groups['auto'].job.task} {layout}, {bandwidths[-1]:g} Mbit/s"
            self.record.about.setdefault("explained", {})[where] = groups["auto"].explain()

    def _failed(self, job: Job, layout: Layout, bandwidths: Sequence[float], reason: str) -> None:
        self.console.print(
            f"{job.task} {layout} {job.method}: {reason}", markup=False, soft_wrap=True
        )
        for mbit in bandwidths:
            self.record.cells.append(Cell(job.task, layout, mbit, job.method, failure=reason))
            self._progress.advance(self._task)

    def _tell(self, what: str) -> None:
        self._progress.update(self._task, description=what, refresh=True)
        if not self.console.is_terminal:
            self.console.print(what, soft_wrap=True)
