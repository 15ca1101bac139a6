"""`eval folder` and `eval model` on two processes, and words of theirs that torchrun must not take for its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import survival
import torch
import typer
from PIL import Image

from t2igan.cli.app import main
from t2igan.cli.evaluate import app
from t2igan.data.config import ShapesConfig
from t2igan.data.shapes_shards import write_shapes
from t2igan.evaluation import store
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.sources.shards import ShardsSource

CHUNK = 10
JUDGED = ["--features", "judge", "--device", "cpu"]
COMMANDS = {
    "folder": ["folder", "drawn", "real", "--metrics", "fd,kid,prdc,cmmd", *JUDGED],
    "model": ["model", "embedded:shapes", "--data", "real", "--count", "24", "--clip", "embedded:shapes_scorer", *JUDGED],
}  # fmt: skip


def run_commands(folder: str, place: str, groups: list[dict[str, str]]) -> None:
    """Both commands, each in a group of its own; an empty one is alone."""
    torch.set_num_threads(1)
    store.CHUNK = CHUNK
    os.chdir(folder)
    for (name, words), group in zip(COMMANDS.items(), groups, strict=True):
        os.environ.update(group)
        files = ["--cache", f"{place}/cache", "--out", f"{place}/{name}.json", "--json"]
        assert main(["eval", *words, *files]) == 0


def measured(file: Path) -> dict[str, Any]:
    told = json.loads(file.read_text())
    return {key: value for key, value in told.items() if key != "seconds"}


def test_two_processes_give_the_numbers_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_shapes(tmp_path / "real", n=32, resolution=32, seed=3, config=ShapesConfig(), per_shard=20)
    (tmp_path / "drawn").mkdir()
    for number, picture in enumerate(ShardsSource(str(tmp_path / "real"), Preparation()).read(4, 29)):
        pixels = picture.image.permute(1, 2, 0).numpy() // 2 + 60
        Image.fromarray(pixels).save(tmp_path / "drawn" / f"{number}.png")
    groups = [survival.places(2) for _ in COMMANDS]
    ranks = [
        survival.SERVER.Process(target=run_commands, args=(str(tmp_path), "both", list(group)), daemon=True)
        for group in zip(*groups, strict=True)
    ]
    (tmp_path / "both").mkdir()
    (tmp_path / "alone").mkdir()
    for rank in ranks:
        rank.start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "CHUNK", CHUNK)
    threads = torch.get_num_threads()
    run_commands(str(tmp_path), "alone", [{}, {}])
    torch.set_num_threads(threads)
    assert [survival.code_of(rank) for rank in ranks] == [0, 0]
    for name in COMMANDS:
        expected = measured(tmp_path / "alone" / f"{name}.json")
        assert measured(tmp_path / "both" / f"{name}.json") == expected
        assert expected["metrics"]["fd_judge"]["value"] > 1
    assert (
        len(list((tmp_path / "both/cache").rglob("*.safetensors"))) > 8
    )  # chunks, of which each was made by one of both


def test_torchrun_leaves_every_option_of_the_commands_that_share_work_to_them():
    from torch.distributed.run import get_args_parser

    group: Any = typer.main.get_command(app)
    options = {
        option
        for name in ("coco", "curve", "folder", "model", "stats", "upscale")
        for parameter in group.commands[name].params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("-")
    }
    assert {"--count", "--n", "--model", "--out"} <= options
    for option in options - {"--n"}:
        words = ["eval", "coco", option, "8"]
        assert get_args_parser().parse_args(["-m", "t2igan", *words]).training_script_args == words
    with pytest.raises(SystemExit):  # why there is --count
        get_args_parser().parse_args(["-m", "t2igan", "eval", "coco", "--n", "8"])
