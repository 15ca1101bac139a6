"""A plan as titled lines and tables of text. Prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from t2igan.dry_run.params import Block
from t2igan.dry_run.plan import Plan, StagePlan
from t2igan.dry_run.timing import Timing
from t2igan.recipe.schema import GanRecipe

REFERENCE = 100e12  # FLOP/s a GPU, for an idea of hours where nothing could be timed
SUMS = ("G synthesis", "G ", "D heads", "T ", "E ")  # beginnings of blocks that are added up
SMALLEST = 0.005  # GFLOP; parts with less are left out


@dataclass(frozen=True)
class Section:
    """A title, a table under a header, and lines of text."""

    title: str
    header: Sequence[str] = ()
    rows: list[list[str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def sections(plan: Plan) -> list[Section]:
    """The report, top down; the recipe itself is not part of it."""
    return [
        _schedule(plan),
        _parameters(plan.stages),
        _flops(plan.stages),
        _memory(plan),
        _time(plan),
        _disk(plan),
        *([Section("not here, and needed to train", lines=plan.missing)] if plan.missing else []),
    ]


def _schedule(plan: Plan) -> Section:
    rows = [
        [
            str(stage.number),
            str(stage.resolution),
            stage.trains,
            f"{stage.split.batch:,}",
            stage.split.formula.partition(" = ")[2],
            f"{stage.kimg:,.10g}",
            f"{stage.split.steps:,}",
        ]
        for stage in plan.stages
    ]
    header = ["stage", "px", "trains", "batch", "= images x pieces x ranks", "kimg", "steps"]
    steps, kimg = sum(s.split.steps for s in plan.stages), sum(s.kimg for s in plan.stages)
    line = f"{plan.ranks} rank{_s(plan.ranks)}, {plan.precision}; {kimg:,.10g} thousand images in {steps:,} steps"
    return Section("schedule", header, rows, [line])


def _parameters(stages: list[StagePlan]) -> Section:
    names = dict.fromkeys(name for stage in reversed(stages) for name in stage.blocks)  # the last one has all
    sizes = {name: next(s.blocks[name].total for s in stages if name in s.blocks) for name in names}
    rows = [[name, f"{sizes[name]:,}", *(_trained(s.blocks.get(name)) for s in stages)] for name in names]
    for group in SUMS:
        of_group = [[b.total for n, b in s.blocks.items() if n.startswith(group)] for s in stages]
        if max(map(len, of_group)) > 1:
            rows.append([f"all of {group.strip()}", "", *(f"{sum(found):,}" for found in of_group)])
    trained = (sum(block.trained for block in stage.blocks.values()) for stage in stages)
    rows.append(["trained in all", "", *(f"{count:,}" for count in trained)])
    return Section("parameters", ["block", "parameters", *map(_heading, stages)], rows)


def _trained(block: Block | None) -> str:
    if block is None:
        return "-"
    if block.trained in (0, block.total):
        return "trains" if block.trained else "frozen"
    return f"{block.trained:,} train"


def _flops(stages: list[StagePlan]) -> Section:
    names = dict.fromkeys(name for s in stages for name, value in s.flops.items() if value / 1e9 >= SMALLEST)
    rows = [[name, *(f"{s.flops.get(name, 0) / 1e9:,.2f}" for s in stages)] for name in names]
    rows.append(["a training image", *(f"{s.step_flops / 1e9:,.2f}" for s in stages)])
    if any(stage.generator_flops for stage in stages):
        rows.append(["a generated image", *(f"{s.generator_flops / 1e9:,.2f}" for s in stages)])
    rows.append(["a step, in TFLOP", *(f"{s.step_flops * s.split.batch / 1e12:,.2f}" for s in stages)])
    whole = sum(s.step_flops * s.split.batch * s.split.steps for s in stages)
    hours = sum(stage.hours_at(REFERENCE) for stage in stages)
    line = f"the run: {whole / 1e15:,.0f} PFLOP, which is {_hours(hours)} if every GPU does 100 TFLOP/s"
    return Section(
        "GFLOP of matrix products and convolutions", ["part", *map(_heading, stages)], rows, [line]
    )


def _memory(plan: Plan) -> Section:
    names = dict.fromkeys(name for stage in plan.stages for name in stage.memory.rows)
    rows = [[name, *(_gib(stage.memory.rows.get(name, 0)) for stage in plan.stages)] for name in names]
    rows.append(["sum", *(_gib(stage.memory.total) for stage in plan.stages)])
    lines = ["an estimate: a GPU's context, the allocator's gaps and the workspace of kernels come on top"]
    if isinstance(plan.recipe, GanRecipe) and plan.recipe.metrics is not None:
        lines.append("the networks that `metrics` names come on top as well")
    return Section("memory a GPU, in GiB", ["what", *map(_heading, plan.stages)], rows, lines)


def _time(plan: Plan) -> Section:
    rows = [_timed(s, s.timing) for s in plan.stages if isinstance(s.timing, Timing)]
    reasons = (stage.timing for stage in plan.stages if isinstance(stage.timing, str))
    lines = [f"not timed: {reason}" for reason in dict.fromkeys(reasons)]
    if rows:
        lines.append(
            f"two steps of one piece on {_where(plan)}; hours at the second one's speed, "
            "without waiting for data or other ranks"
        )
    header = ["stage", "first step, s", "second, s", "a whole step, s", "images/s", "hours"]
    return Section("time", header if rows else (), rows, lines)


def _timed(stage: StagePlan, timing: Timing) -> list[str]:
    step = timing.step_s(stage.split)
    rate = stage.split.batch / step
    seconds = (timing.first_s, timing.second_s, step)
    return [
        _heading(stage),
        *(f"{value:.3f}" for value in seconds),
        f"{rate:,.1f}",
        f"{stage.hours or 0:,.2f}",
    ]


def _where(plan: Plan) -> str:
    return next(s.timing.where for s in plan.stages if isinstance(s.timing, Timing))


def _disk(plan: Plan) -> Section:
    disk = plan.disk
    header = ["file", *map(_heading, plan.stages)]
    rows = [
        ["a state to resume from", *(_gib(stage.files.state) for stage in plan.stages)],
        ["a snapshot to share", *(_gib(stage.files.snapshot) for stage in plan.stages)],
    ]
    lines = [
        f"{disk.num_states} state{_s(disk.num_states)} {_gib(disk.states)} + "
        f"{disk.num_snapshots} snapshot{_s(disk.num_snapshots)} {_gib(disk.snapshots)} + one more while it is written "
        f"{_gib(disk.spare)} = {_gib(disk.total)} GiB; {_gib(plan.free_disk)} GiB are free. Not counted: pictures, logs",
    ]
    if disk.total > plan.free_disk:
        lines.append(
            "warning: too small. Keep fewer files (train.milestone_kimg, keep_states, keep_snapshots), or name another disk with --out"
        )
    return Section("disk, in GiB", header, rows, lines)


def _heading(stage: StagePlan) -> str:
    return f"{stage.number}: {stage.resolution} px"


def _gib(size: int) -> str:
    return f"{size / 2**30:,.3f}" if size < 2**30 else f"{size / 2**30:,.2f}"


def _hours(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours < 100 else f"{hours / 24:,.1f} days"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
