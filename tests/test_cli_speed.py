"""What must stay light: help and recipes import nothing heavy. Seconds are measured by people, not by tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import t2igan

PACKAGE = Path(t2igan.__file__).parent
TORCH = {"torch", "torchvision", "timm", "open_clip", "webdataset", "scipy"}
HEAVY = TORCH | {"rich", "yaml", "numpy", "PIL"}
CONFIGS = sorted(
    ".".join(["t2igan", *path.relative_to(PACKAGE).with_suffix("").parts])
    for path in PACKAGE.rglob("config.py")
)
PACKAGES = sorted(
    ".".join(["t2igan", *path.parent.relative_to(PACKAGE).parts]) for path in PACKAGE.rglob("__init__.py")
)


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `code`."""
    probe = f"{code}\nimport json, sys\nprint('\\n' + json.dumps([m for m in sys.modules if '.' not in m]))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_imports_nothing_heavy():
    code = "from t2igan.cli.app import main; assert main(['--help']) == 0"
    assert not modules_after(code) & (HEAVY | {"pydantic"})


def test_help_of_every_command_imports_nothing_heavy():
    # newer Typers read options with pydantic once a command line is parsed, so pydantic itself is theirs
    code = "from t2igan.cli.app import _Commands, main\nfor name in _Commands.table: assert main([name, '--help']) == 0"
    assert not modules_after(code) & HEAVY


def test_recipes_configs_and_package_tables_import_no_torch():
    code = "\n".join(
        f"import {module}" for module in ["t2igan.recipe.load", "t2igan.recipe.docs", *CONFIGS, *PACKAGES]
    )
    assert not modules_after(code) & TORCH


def test_loading_and_printing_a_recipe_needs_no_torch():
    code = "from t2igan.cli.app import main; assert main(['recipe', 'show', 'smoke']) == 0"
    assert not modules_after(code) & TORCH


def test_public_names_load_at_first_use():
    assert "torch" not in modules_after("import t2igan; t2igan.Condition")
    assert t2igan.Condition.__module__ == "t2igan.types"
    assert set(t2igan.__all__) <= set(dir(t2igan))


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Conditoin'"):
        _ = t2igan.Conditoin
