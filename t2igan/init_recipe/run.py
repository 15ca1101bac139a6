"""Data in, recipe files out: what `t2igan init` calls. Choosing is policy.py's, wording the other modules'."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from t2igan.data.inspect import Inspection, inspect_data
from t2igan.decode import decode_yaml
from t2igan.errors import DataError, UsageError
from t2igan.files import check_folder, write_atomic
from t2igan.init_recipe.clip_text import clip_text
from t2igan.init_recipe.findings import rows, warnings
from t2igan.init_recipe.gan_text import gan_text
from t2igan.init_recipe.policy import Machine, Plan, choose, training_split
from t2igan.init_recipe.text import Case, time_lines
from t2igan.recipe.check import problems
from t2igan.recipe.load import SUFFIXES
from t2igan.recipe.schema import Recipe


@dataclass(frozen=True)
class Report:
    """What was found, chosen and written."""

    findings: dict[str, str]
    warnings: list[str]
    files: list[str]
    commands: list[str]  # to run next, in order
    notes: list[str]
    plan: Plan

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def init_recipe(
    data: str, out: Path, *, machine: Machine, resolution: int | None = None, overwrite: bool = False
) -> Report:
    """Inspect data, and write a recipe for it; on a CPU, also that of the small CLIP which must be trained first.

    Args:
        data: a folder of captioned pictures, or shards as `data.shards` names them.
        out: the recipe, .yaml; its stem becomes the name of the run. The small CLIP's gets `_clip` behind the stem.
        machine: what will train.
        resolution: pixels; None = by the data and the machine.
        overwrite: replace files that exist.

    Raises:
        UsageError: if a file exists already, or an argument cannot be right.
        DataError: if the data cannot be used.
        T2IGanError: if `out` cannot be written.
    """
    name = _name(out)
    check_folder(out.parent)
    _refuse_unwritable_text(data)
    _refuse_existing([out], overwrite)
    found = inspect_data(data)
    plan = choose(found, machine, resolution=resolution)
    imported = _import_folder(found)
    shards = data if imported is None else Path(imported, training_split(found)).as_posix()
    case = Case(found, machine, plan, name, out, shards)
    texts = {case.clip_out: clip_text(case)} if machine.device == "cpu" else {}
    texts[out] = gan_text(case)
    _refuse_existing(list(texts), overwrite)
    for path, text in texts.items():
        assert not problems(decode_yaml(text, Recipe, source=str(path)))
    for path, text in texts.items():
        write_atomic(path, text.encode())
    return Report(
        findings=rows(found),
        warnings=warnings(found, plan, machine),
        files=[str(path) for path in texts],
        commands=_commands(found, plan, imported, list(texts)),
        notes=[*_notes(name, machine), " ".join(time_lines(plan))],
        plan=plan,
    )


def _name(out: Path) -> str:
    """The run's name: the stem of the recipe's file, with what a folder should not be called replaced."""
    if out.suffix not in SUFFIXES:
        raise UsageError(f"{out}: a recipe's file ends in .yaml, such as run.yaml.")
    return _slug(out.stem, "run")


def _slug(text: str, otherwise: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).lstrip("_.-")[:80] or otherwise


def _refuse_existing(files: list[Path], overwrite: bool) -> None:
    there = [path for path in files if path.exists()]
    if there and not overwrite:
        raise UsageError(f"{there[0]}: exists already. Choose another -o, or add --overwrite.")


def _refuse_unwritable_text(data: str) -> None:
    try:
        data.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{data!r}: the name is not UTF-8, and a recipe cannot hold it. Rename it, or make a link."
        ) from error


def _import_folder(found: Inspection) -> str | None:
    """Where `data import` should put the shards of a folder; None where the data are shards already."""
    if found.kind == "shards":
        return None
    folder = Path(found.source).resolve()
    name = _slug(folder.name, "pictures")
    out = Path("datasets", name)
    if not out.resolve().is_relative_to(folder):
        return out.as_posix()
    return Path(os.path.relpath(folder.parent / f"{name}_shards")).as_posix()  # not inside what is being read


def _commands(found: Inspection, plan: Plan, imported: str | None, recipes: list[Path]) -> list[str]:
    commands = [f"t2igan train --recipe {shlex.quote(str(path))}" for path in recipes]
    if imported is None:
        return commands
    source, target = shlex.quote(found.source), shlex.quote(imported)
    return [f"t2igan data import {source} --size {plan.resolution} --out {target}", *commands]


def _notes(name: str, machine: Machine) -> list[str]:
    notes = [
        f"Look at runs/{name}/samples/reals.png first: the pictures and captions as the networks see them."
    ]
    if machine.device == "cuda":
        notes.append(
            "CLIP ViT-L-14 and DINO ViT-S/16 must be on the machine: `t2igan doctor` says whether they are."
        )
    return notes
