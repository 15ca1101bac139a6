"""Imports go downward only, and never sideways: packages of one row do not know each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import t2igan

PACKAGE = Path(t2igan.__file__).parent
ROWS = (
    {"errors", "launch", "meeting"},
    {"config", "registry", "decode", "encode", "types", "dist", "rng", "files", "lineplot"}
    | {"ahead", "checksum", "tensor_file", "tensor_memory", "weight_places"},
    {"configs"},  # the torch-free config.py of every package, together
    {"restricted_reader"},  # of pickles: modules of convert that know nothing else of it
    {"ops", "checkpoint", "images", "tiles", "weights", "report", "rasterplot", "runs", "sharding"},
    {"text", "features", "run_curves"},
    {"models"},
    {"upscaler"},
    {"data", "losses", "metrics", "pipeline", "clip_scorer"},
    {"recipe", "sampling", "export", "model_info", "shapes_report", "shapes_protocol"}
    | {"run_status", "run_plots", "run_compare"},
    {"train", "edit", "convert", "shapes_eval", "pictures_eval", "demo_report", "init_recipe"}
    | {"upscaling"},
    {"curate"},
    {"evaluation"},
    {"demo", "bench"},
    {"dry_run"},
    {"cli"},
    {"__main__"},
)
READER = {"safe_pickle", "pickle_machine", "pickle_globals", "pickled", "mapped_file"}
ROW_OF = {unit: row for row, units in enumerate(ROWS) for unit in units}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def unit_of(module: str) -> str:
    """The row's name that a dotted module belongs to: t2igan.models.stylegan_t.config -> configs."""
    parts = module.split(".")[1:]
    if parts[0] == "convert" and (parts == ["convert"] or parts[1] in READER):
        return "restricted_reader"
    return "configs" if len(parts) > 1 and parts[-1] == "config" else parts[0]


def imports_of(path: Path) -> list[str]:
    """Dotted t2igan modules that a file imports anywhere, inside functions and TYPE_CHECKING too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from t2igan.models import config` imports a module; `from t2igan.config import Config` does not
            for alias in node.names:
                inside = PACKAGE.joinpath(*node.module.split(".")[1:], alias.name)
                is_module = inside.with_suffix(".py").is_file() or inside.is_dir()
                found.append(f"{node.module}.{alias.name}" if is_module else node.module)
    return [name for name in found if name.startswith("t2igan.")]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rows_below_its_own(path: Path):
    module = ".".join(["t2igan", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")
    own = unit_of(module)
    for imported in imports_of(path):
        other = unit_of(imported)
        assert other == own or ROW_OF[other] < ROW_OF[own], f"{module} ({own}) imports {imported} ({other})"


def test_every_module_has_a_row():
    units = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert units <= set(ROW_OF)
