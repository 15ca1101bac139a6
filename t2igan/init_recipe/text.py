"""What both recipes have in common: their opening comment, their data section, and quoting. Not the choice of numbers."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import yaml

from t2igan import __version__
from t2igan.data.inspect import Inspection
from t2igan.init_recipe.findings import captions_line, pictures_line
from t2igan.init_recipe.policy import Machine, Plan, cpu_hours, percent
from t2igan.recipe.docs import SCHEMA_NAME
from t2igan.recipe.load import recipe_folder

RELATIVE = "    # relative to the folder in which t2igan is run"


@dataclass(frozen=True)
class Case:
    """All that the recipes speak of."""

    found: Inspection
    machine: Machine
    plan: Plan
    name: str  # of the GAN's run
    out: Path  # the GAN's recipe
    shards: str  # what data.shards will say

    @property
    def clip_name(self) -> str:
        """Name of the small CLIP's run."""
        return f"{self.name}_clip"

    @property
    def clip_out(self) -> Path:
        """The small CLIP's recipe."""
        return self.out.with_name(f"{self.out.stem}_clip{self.out.suffix}")

    @property
    def clip_checkpoint(self) -> str:
        """The file that training the small CLIP ends with."""
        return f"runs/{self.clip_name}/snapshots/{self.plan.clip_kimg:08.1f}.safetensors"


def opening(case: Case, out: Path, lines: list[str]) -> str:
    """The comment that opens a recipe: how to run it, and what it was made from, for what; then `lines`."""
    comments = [
        f"t2igan train --recipe {on_one_line(str(out))}",
        f"Made by t2igan {__version__} init from {quoted(case.found.source)}",
        f"for {machine_line(case.machine)}. Every line may be changed.",
        f"The data: {pictures_line(case.found)};",
        f"{captions_line(case.found)}.",
        *lines,
    ]
    schema = _schema(out)
    first = [f"# yaml-language-server: $schema={schema}"] if schema else []
    return "\n".join([*first, *(f"# {comment}" for comment in comments)])


def machine_line(machine: Machine) -> str:
    """Such as "a CPU of 2 cores"."""
    if machine.device == "cpu":
        return f"a CPU of {machine.cores} core{'s' * (machine.cores > 1)}"
    what = "assumed" if machine.memory_gib is None else machine.name
    return f"one GPU of {machine.gib:.0f} GiB ({what})"


def data_section(case: Case) -> str:
    """The section `data`."""
    plan, mebibytes = case.plan, case.plan.pictures * 3 * case.plan.resolution**2 / 2**20
    lines = [
        "data:",
        "  kind: shards",
        f"  shards: {quoted(case.shards)}{'' if Path(case.shards).is_absolute() else RELATIVE}",
        f"  # {pictures_line(case.found)}; {plan.pictures:,} of them to train on",
        f"  cache: {str(plan.is_cached).lower()}    # decoded at {plan.resolution} px they take {mebibytes:,.0f} MiB of memory",
    ]
    if plan.max_bad_fraction is not None:
        bad = percent(1 - plan.usable_share)
        lines.append(f"  max_bad_fraction: {plan.max_bad_fraction:g}    # {bad} are unusable or too small")
    return "\n".join(lines)


def time_lines(plan: Plan) -> list[str]:
    """How long it takes, as far as that is known."""
    measure = "`t2igan bench train --recipe FILE` measures yours."
    hours = cpu_hours(plan)
    if hours is None:
        return [f"Time: not measured yet; {measure}"]
    return [
        f"Time: about {hours:.1f} hours on one core of a Xeon with AMX, in proportion to what was measured",
        f"(docs/benchmarks.md, docs/emoji.md); {measure}",
    ]


def quoted(text: str) -> str:
    """A double-quoted YAML scalar on one line, whatever the text holds; safe inside a comment, too."""
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=2**31).strip()


def on_one_line(path: str) -> str:
    """As a shell reads it, where that is one line."""
    return shlex.quote(path) if path.isprintable() else quoted(path)


def _schema(out: Path) -> str | None:
    """The JSON schema for an editor: beside the recipe, else t2igan's own; None if neither can be named."""
    if (out.parent / SCHEMA_NAME).is_file():
        return SCHEMA_NAME
    path = recipe_folder() / SCHEMA_NAME
    text = path.resolve().as_posix()
    return text if path.is_file() and not re.search(r"\s", text) and text.isprintable() else None
