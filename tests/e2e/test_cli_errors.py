"""The command line as a shell sees it: exit codes, one clear line on stderr, nothing on stdout."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from t2igan import __version__
from t2igan.cli import app
from t2igan.errors import DataError, RecipeError, WeightsError

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_bare_command_prints_help_and_succeeds(t2igan: Run):
    done = t2igan()
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: t2igan" in done.stdout
    for name in app._Commands.table:
        assert f"\n  {name} " in done.stdout


def test_the_version_is_the_packages(t2igan: Run):
    assert t2igan("--version").stdout == f"t2igan {__version__}\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["recpie"], "error: no such command 'recpie'; did you mean 'recipe'?"),
        (["--verison"], "error: No such option: --verison; did you mean '--version'?"),
        (["recipe", "shwo"], "error: No such command 'shwo'. Did you mean 'show'?"),
        (["recipe", "show", "smoke", "--st", "a=1"], "error: No such option: --st; did you mean '--set'?"),
        (["recipe", "show"], "error: Missing argument 'name'."),
        (["recipe", "show", "smok"], "error: unknown recipe 'smok'; did you mean 'smoke'?"),
    ],
)
def test_a_misspelt_word_is_a_usage_error_that_names_the_nearest(t2igan: Run, words: list[str], line: str):
    done = t2igan(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0].lower().startswith(line.lower())
    assert "Traceback" not in done.stderr


def test_a_group_without_a_command_shows_its_help_as_a_usage_error(t2igan: Run):
    done = t2igan("recipe")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: t2igan recipe")


def test_recipe_list_names_every_shipped_recipe(t2igan: Run):
    names = [row["name"] for row in json.loads(t2igan("recipe", "list", "--json").stdout)]
    assert "smoke" in names
    assert all(name in t2igan("recipe", "list").stdout for name in names)


def test_recipe_show_prints_yaml_that_checks_out(t2igan: Run, tmp_path: Path):
    shown = t2igan("recipe", "show", "smoke", "--set", "train.batch=8", "--set", "name=mine").stdout
    (tmp_path / "mine.yaml").write_text(shown)
    assert yaml.safe_load(shown)["train"]["batch"] == 8
    assert t2igan("recipe", "check", "mine.yaml", "smoke").stdout == "mine.yaml: ok\nsmoke: ok\n"
    assert t2igan("recipe", "show", "mine.yaml").stdout == shown


def test_recipe_check_says_every_mistake_of_every_file(t2igan: Run, tmp_path: Path):
    shown = t2igan("recipe", "show", "smoke").stdout
    (tmp_path / "a.yaml").write_text(shown.replace("kind: hashing", "kind: hashnig"))
    (tmp_path / "b.yaml").write_text(shown.replace("  batch: 16", "  bacth: 16"))
    done = t2igan("recipe", "check", "smoke", "a.yaml", "b.yaml")
    assert (done.returncode, done.stdout) == (2, "smoke: ok\n")
    first, second = done.stderr.splitlines()
    assert first.endswith(
        "conditioner.kind: 'hashnig' is not one of clip_text, small_clip, hashing, none; did you mean 'hashing'?"
    )
    assert second.endswith("train: unknown key 'bacth'; did you mean 'batch'?")


def test_set_errors_name_the_option(t2igan: Run):
    done = t2igan("recipe", "show", "smoke", "--set", "train.bach=5")
    assert done.returncode == 2
    assert done.stderr == "error: --set train.bach: train: unknown key 'bach'; did you mean 'batch'?\n"


def test_recipe_schema_is_json(t2igan: Run):
    assert json.loads(t2igan("recipe", "schema").stdout)["title"] == "t2igan recipe"


@pytest.mark.parametrize(("options", "env"), [(["--debug"], {}), ([], {"T2IGAN_DEBUG": "1"})])
def test_debug_shows_the_traceback_before_the_line(t2igan: Run, options: list[str], env: dict[str, str]):
    done = t2igan(*options, "recipe", "show", "smok", **env)
    assert done.returncode == 2
    assert done.stderr.startswith("Traceback")
    assert done.stderr.splitlines()[-1].startswith("error: unknown recipe")


def test_a_closed_pipe_ends_quietly():
    command = f"{sys.executable} -m t2igan recipe schema | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line():
    command = f"{sys.executable} -m t2igan recipe schema > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: No space left on device; free some space")
    assert len(done.stderr.splitlines()) == 1


def test_doctor_reports_and_succeeds(t2igan: Run):
    done = t2igan("doctor", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["packages"]["t2igan"]
    assert set(found) == {"packages", "machine", "libraries", "weights", "disk"}
    assert "problem" not in found["machine"]


RAISED: list[BaseException] = []


def raise_it() -> None:
    """A command that fails with what the test put into RAISED."""
    raise RAISED[-1]


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (DataError("d.tar: cut short. Copy it again."), 4, "error: d.tar: cut short. Copy it again.\n"),
        (WeightsError("no CLIP. Get it."), 1, "error: no CLIP. Get it.\n"),
        (RecipeError("a.yaml:1: x\na.yaml:2: y"), 2, "error: a.yaml:1: x\n       a.yaml:2: y\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "out/a.png"),
            1,
            "error: out/a.png: No space left on device; free",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "out"),
            1,
            "error: out: Permission denied; choose a place",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "out"),
            1,
            "error: out: Read-only file system; this disk is",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_user_can_cause_is_one_line_and_an_exit_code(
    error: BaseException,
    code: int,
    text: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv(app.DEBUG, raising=False)
    monkeypatch.setitem(app._Commands.table, "fail", (f"{__name__}:raise_it", "Fail."))
    RAISED.append(error)
    assert app.main(["fail"]) == code
    assert capsys.readouterr().err.startswith(text)


def test_an_error_that_only_we_can_cause_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(app._Commands.table, "fail", (f"{__name__}:raise_it", "Fail."))
    RAISED.append(FileNotFoundError(errno.ENOENT, "No such file or directory", "x"))
    with pytest.raises(FileNotFoundError):
        app.main(["fail"])
