"""The shards of a download: which are there, how the others come about, and the account of all. Not the command."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2igan.data.download.finish import RawShard, finish_shard
from t2igan.data.download.options import DownloadOptions, Progress
from t2igan.data.download.parts import Part, Plan, failed_tables, read_rows
from t2igan.data.download.supervise import STATS, arguments, done_shards, run_child


@dataclass
class Work:
    """The shards of a plan: which are there, and how the others come about."""

    plan: Plan
    out: Path
    options: DownloadOptions
    on_progress: Progress | None
    lock: int
    _done: int = field(default=0, init=False)

    def is_there(self, shard: int) -> bool:
        """Whether a shard is complete."""
        return self._stats_path(shard).is_file() and (self.out / f"{shard:05d}.tar").is_file()

    def missing(self) -> list[int]:
        """Shards that are not complete."""
        return [shard for shard in range(self.plan.shards) if not self.is_there(shard)]

    def add_round(self) -> None:
        """Plan another try of what failed in the last round."""
        shards = range(self.plan.last_round, self.plan.shards)
        first = self.plan.shards
        tables = failed_tables(self.out, shards, self.plan.retried)
        self.plan.add(tables, shards_per_part=self.options.shards_per_part)
        if self.plan.shards > first:
            self.plan.last_round = first
            self.plan.save()

    def run(self, part: Part) -> None:
        """Download the shards of a part that are missing, and finish each as it comes."""
        raw = self.plan.folder / part.name
        present = [shard for shard in part.shards if self.is_there(shard)]
        for shard in present:
            self._count(part, shard)
        if len(present) < len(part.shards):
            self._mark(raw, part, present)
            self._fetch(raw, part, present)
        if all(self.is_there(shard) for shard in part.shards):
            shutil.rmtree(raw, ignore_errors=True)

    def _fetch(self, raw: Path, part: Part, present: Collection[int]) -> None:
        """Run the child; what it leaves is finished beside it, by threads, as Pillow works outside Python's lock."""
        table = self.plan.folder / f"{part.name}.parquet"
        has_captions = "caption" in read_rows(self.plan, part, part.first_shard).column_names
        left = len(part.shards) - len(present)
        call = arguments(table, raw, self.options, has_captions=has_captions, shards=left)
        futures: list[Future[None]] = []
        pool = ThreadPoolExecutor(self.options.processes)

        def finish(number: int) -> None:
            for future in futures:
                if future.done():
                    future.result()  # a full disk ends the download, too
            shard = part.first_shard + number
            if shard not in present:
                futures.append(pool.submit(self._finish, raw, part, shard))

        try:
            run_child(
                call,
                shards=len(part.shards),
                log=self.plan.folder / "log.txt",
                lock=self.lock,
                stall_s=self.options.stall_s,
                on_shard=finish,
            )
            for future in futures:
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _mark(self, raw: Path, part: Part, present: list[int]) -> None:
        """Tell img2dataset which shards are there; those it had done without leaving them are to be done again."""
        raw.mkdir(parents=True, exist_ok=True)
        for number in done_shards(raw):
            if part.first_shard + number not in present and not (raw / f"{number:05d}.tar").is_file():
                (raw / f"{number:05d}{STATS}").unlink()
        for shard in present:
            shutil.copyfile(self._stats_path(shard), raw / f"{shard - part.first_shard:05d}{STATS}")

    def _finish(self, raw: Path, part: Part, shard: int) -> None:
        number = shard - part.first_shard
        left = RawShard(raw / f"{number:05d}", number, part.per_shard)
        table = read_rows(self.plan, part, shard)
        finish_shard(left, shard, table, out=self.out, conversion=self.options.conversion)
        for suffix in (".tar", ".parquet"):
            left.path.with_suffix(suffix).unlink(missing_ok=True)
        self._count(part, shard)

    def _count(self, part: Part, shard: int) -> None:
        self._done += part.rows_of(shard)
        if self.on_progress is not None:
            self.on_progress(self._done, sum(part.rows for part in self.plan.parts))

    def _stats_path(self, shard: int) -> Path:
        return self.out / f"{shard:05d}{STATS}"

    def account(self) -> dict[str, Any]:
        """The statistics of all shards together: every URL of the table once."""
        totals: Counter[str] = Counter()
        reasons = Counter(self.plan.refused)
        shards = [shard for shard in range(self.plan.shards) if self.is_there(shard)]
        for shard in shards:
            stats = json.loads(self._stats_path(shard).read_bytes())
            totals.update({key: value for key, value in stats.items() if isinstance(value, int)})
            reasons.update(stats["reasons"])
        reasons -= self.plan.retried
        account = {"seen": self.plan.rows, "skipped": dict(reasons.most_common()), "tried": dict(totals)}
        return {"samples": totals["successes"], "shards": len(shards), "download": account}
