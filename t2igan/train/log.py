"""Progress of a run: a bar on a terminal, one line a tick elsewhere, stats.jsonl always, trackers if asked. Rank 0 only."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from t2igan import dist
from t2igan.train.state import TrainState
from t2igan.train.trackers import Tracker, open_trackers

UNTRACKED = ("kimg", "eta_s", "elapsed_s")


class TickLog:
    """Writes a line every `tick_kimg` thousand images to stderr, log.txt and stats.jsonl; on rank 0."""

    def __init__(self, run_dir: Path, state: TrainState) -> None:
        self._dir = run_dir
        self._every = state.config.tick_kimg * 1000
        self._start = self._last = time.perf_counter()
        self._start_nimg = self._last_nimg = state.nimg
        self._console = Console(stderr=True)
        self._is_quiet = dist.rank() != 0
        self._unwritten: set[str] = set()
        loggers = () if self._is_quiet else state.config.loggers
        self._trackers = open_trackers(loggers, run_dir, nimg=state.nimg)
        self._bar = _bar(self._console) if sys.stderr.isatty() and not self._is_quiet else None
        if self._bar is not None:
            self._task = self._bar.add_task("", total=state.stop_nimg, completed=state.nimg)
            self._bar.start()

    def say(self, line: str) -> None:
        """An event, once on the terminal and once in log.txt."""
        if self._is_quiet:
            return
        self._print(line)
        self.append("log.txt", f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}")

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def append(self, name: str, line: str) -> None:
        """Add a line to a file; a full disk must not end the run, and is said once."""
        try:
            _add_line(self._dir / name, line)
        except OSError as error:
            if name not in self._unwritten:
                self._print(
                    f"warning: {name} could not be written ({error}); free some space. Training goes on."
                )
            self._unwritten.add(name)
        else:
            self._unwritten.discard(name)

    def after_step(self, state: TrainState) -> None:
        """Move the bar; at a tick, write the line."""
        if self._is_quiet:
            return
        if self._bar is not None:
            self._bar.update(self._task, completed=state.nimg)
        if state.nimg - self._last_nimg >= self._every or state.nimg >= state.stop_nimg:
            self._tick(state)

    def _tick(self, state: TrainState) -> None:
        now = time.perf_counter()
        done = max(state.nimg - self._last_nimg, 1)
        seconds_per_kimg = (now - self._last) / done * 1000
        stats = {
            "kimg": round(state.nimg / 1000, 3),
            "step": state.step,
            "resolution": state.resolution,
            "sec_per_kimg": round(seconds_per_kimg, 3),
            "eta_s": max(0, round((state.stop_nimg - state.nimg) / 1000 * seconds_per_kimg)),
            "elapsed_s": round(now - self._start, 1),
            "memory_gb": round(memory_gb(state.device), 2),
            "bad_steps": state.bad_total,
            **{name: round(value, 4) for name, value in state.loss.scores.read().items()},
        }
        self.append("stats.jsonl", json.dumps(stats))
        self.say(tick_line(stats, state.stop_nimg))
        self.track(state.nimg, {k: v for k, v in stats.items() if k not in UNTRACKED})
        self._last, self._last_nimg = now, state.nimg

    def track(self, nimg: int, values: Mapping[str, float]) -> None:
        """Give numbers to the recipe's trackers."""
        self._each_tracker(lambda tracker: tracker.log(nimg, values))

    def _each_tracker(self, act: Callable[[Tracker], None]) -> None:
        """Let every tracker do something; a full disk must not end the run."""
        for tracker in self._trackers:
            try:
                act(tracker)
            except OSError as error:
                self._print(f"warning: a tracker failed ({error}); free some space. Training goes on.")

    def close(self) -> None:
        """Leave the terminal tidy, and the trackers' files whole."""
        if self._bar is not None:
            self._bar.stop()
        self._each_tracker(lambda tracker: tracker.close())


def _add_line(path: Path, line: str) -> None:
    """Append a line, after ending one that a killed process or a full disk has cut."""
    with path.open("ab+") as file:
        is_cut = file.tell() > 0 and file.seek(-1, 2) >= 0 and file.read(1) != b"\n"
        file.write((b"\n" if is_cut else b"") + line.encode() + b"\n")


def tick_line(stats: dict[str, float], stop_nimg: int) -> str:
    """`kimg 12.0/300.0  32px  4.1 s/kimg  eta 19m40s  1.2 GB  D/real 0.31 ...`."""
    minutes, seconds = divmod(int(stats["eta_s"]), 60)
    eta = f"{minutes // 60}h{minutes % 60:02d}m" if minutes >= 60 else f"{minutes}m{seconds:02d}s"
    scores = "  ".join(f"{name} {value:.3f}" for name, value in stats.items() if "/" in name)
    bad = f"  non-finite steps {stats['bad_steps']}" if stats["bad_steps"] else ""
    return (
        f"kimg {stats['kimg']:.1f}/{stop_nimg / 1000:.1f}  {stats['resolution']}px  {stats['sec_per_kimg']:.2f} s/kimg  "
        f"eta {eta}  {stats['memory_gb']:.1f} GB  {scores}{bad}"
    )


def memory_gb(device: torch.device) -> float:
    """Peak memory: of the GPU where there is one, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def _bar(console: Console) -> Progress:
    return Progress(
        BarColumn(),
        TextColumn("{task.percentage:.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
