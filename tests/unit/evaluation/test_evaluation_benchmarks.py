"""GenEval and T2I-CompBench: the folders that their programs read, and the files that they write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from t2igan.cli.app import main
from t2igan.errors import DataError, UsageError
from t2igan.evaluation.prompts.benchmarks import read_compbench, read_geneval
from t2igan.evaluation.prompts.exports import write_compbench, write_geneval
from t2igan.pipeline import TextToImage

LINES = [
    json.dumps({"tag": "colors", "include": [{"class": "cup"}], "prompt": "a red circle"}),
    json.dumps({"tag": "counting", "prompt": "a blue  square"}),
]


def pixels(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)


def test_geneval_s_folders_hold_each_prompt_s_line_and_its_pictures(tmp_path: Path):
    prompts, out = tmp_path / "evaluation_metadata.jsonl", tmp_path / "out"
    prompts.write_text("\n".join(LINES) + "\n")
    seen: list[tuple[int, int]] = []
    told = lambda done, total: seen.append((done, total))  # noqa: E731
    assert write_geneval(None, prompts, out, count=3, seed=7, device="cpu", batch=4, on_progress=told) == 6
    assert seen == [(i, 6) for i in range(1, 7)]
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    each = ["metadata.jsonl", *(f"samples/000{k}.png" for k in range(3))]
    assert files == [f"0000{i}/{name}" for i in range(2) for name in each]
    assert [(out / f"0000{i}/metadata.jsonl").read_text() for i in range(2)] == LINES
    expected = TextToImage.from_checkpoint().generate(
        ["a red circle"] * 3 + ["a blue  square"] * 3, range(7, 13)
    )
    drawn = torch.stack([pixels(out / f"0000{i}/samples/000{k}.png") for i in range(2) for k in range(3)])
    assert (drawn.int() - expected.int()).abs().max() <= 1  # in another batch
    with pytest.raises(UsageError, match="is not empty"):
        write_geneval(None, prompts, out, device="cpu")
    for line in ("{", '{"prompt": "a"}', '{"prompt": " ", "tag": "b"}', "[1]"):
        prompts.write_text(f"{LINES[0]}\n{line}\n")
        with pytest.raises(DataError, match=r"metadata\.jsonl:2: "):
            write_geneval(None, prompts, tmp_path / "other", device="cpu")


def test_compbench_s_files_are_named_by_prompt_and_numbered_through(tmp_path: Path):
    prompts, out = tmp_path / "color_val.txt", tmp_path / "out"
    prompts.write_text("a red circle and a blue square\n\na green ring\n")
    assert write_compbench(None, prompts, out, count=2, device="cpu") == 4
    names = sorted(
        (path.name for path in (out / "samples").iterdir()), key=lambda name: int(name.split("_")[-1][:-4])
    )
    assert names == ["a red circle and a blue square_000000.png", "a red circle and a blue square_000001.png",
                     "a green ring_000002.png", "a green ring_000003.png"]  # fmt: skip
    for bad in ("a_b", "a/b", "a" * 250, ""):
        prompts.write_text(f"{bad}\n")
        with pytest.raises(DataError, match=r"cannot be a file's name|no prompts"):
            write_compbench(None, prompts, tmp_path / "other", device="cpu")
    with pytest.raises(DataError, match="cannot be read"):
        write_compbench(None, tmp_path / "absent.txt", tmp_path / "other", device="cpu")


def test_geneval_s_overall_is_the_mean_of_its_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    found = [("colors", "a", True), ("colors", "a", False), ("colors", "b", False), ("colors", "b", False),
             ("counting", "c", True), ("counting", "c", True)]  # fmt: skip
    rows = [
        {"tag": t, "prompt": p, "correct": c, "metadata": json.dumps({"prompt": p}), "filename": "f"}
        for t, p, c in found
    ]
    file = tmp_path / "results.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = read_geneval(file)
    assert (told["tasks"]["colors"]["value"], told["tasks"]["counting"]["value"]) == (0.25, 1)
    assert told["overall"] == 0.625
    assert (told["pictures"], told["prompts"], told["correct_prompts"]) == (6, 3, 2 / 3)
    assert "published values are of 553 prompts" in told["warnings"][0]
    assert main(["eval", "geneval", "--results", str(file)]) == 0
    text = capsys.readouterr().out
    assert "0.625" in text
    assert "SDXL" not in text  # another number of prompts
    rows = [{"tag": "t", "prompt": f"{i}", "correct": True} for i in range(553) for _ in range(4)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["eval", "geneval", "--results", str(file)]) == 0
    assert "SDXL" in capsys.readouterr().out
    for line in ("", "{}", '{"tag": "a", "prompt": "b", "correct": 1}', "[]"):
        file.write_text(line)
        with pytest.raises(DataError, match=r"results\.jsonl"):
            read_geneval(file)


def test_compbench_s_score_is_the_mean_over_pictures_and_its_interval_over_prompts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file, answers = tmp_path / "vqa_result.json", [0.1, 0.3, 0.5, 0.7, 0.2, 0.2]
    file.write_text(json.dumps([{"question_id": i, "answer": f"{a:.4f}"} for i, a in enumerate(answers)]))
    told = read_compbench(file, count=2)
    assert told["score"]["value"] == pytest.approx(sum(answers) / 6)
    assert told["score"]["n"] == told["prompts"] == 3
    assert 0.2 <= told["score"]["low"] < told["score"]["high"] <= 0.6
    assert main(["eval", "compbench", "--results", str(file), "--count", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prompts"] == 2
    for content, count in (
        (file.read_text(), 4),
        ("[]", 1),
        ("{}", 1),
        ('[{"question_id": 1, "answer": "1"}]', 1),
        ("x", 1),
    ):
        file.write_text(content)
        with pytest.raises(DataError, match=r"vqa_result\.json"):
            read_compbench(file, count=count)


def test_a_command_either_draws_or_reads(capsys: pytest.CaptureFixture[str]):
    for words in (
        ["geneval"],
        ["compbench", "--prompts", "a", "--results", "b"],
        ["geneval", "--results", "a", "-m", "b"],
    ):
        assert main(["eval", *words]) == 2
        assert "give --prompts FILE" in capsys.readouterr().err
