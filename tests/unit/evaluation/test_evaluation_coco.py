"""`eval coco` on a small set in MS-COCO's format: each protocol's captions, pictures and networks, and what may be compared."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import survival
import torch
from PIL import Image
from tiny_coco import COUNT, write_coco

from t2igan.cli.app import main
from t2igan.cli.eval_coco import show
from t2igan.errors import DataError, UsageError
from t2igan.evaluation import store
from t2igan.evaluation.coco import published
from t2igan.evaluation.coco.annotations import read_annotations
from t2igan.evaluation.coco.captions import choose
from t2igan.evaluation.coco.protocols import PROTOCOLS
from t2igan.evaluation.coco.request import CocoRequest
from t2igan.evaluation.coco.run import evaluate_coco, write_captions
from t2igan.evaluation.probes import PairRecipe
from t2igan.pipeline import TextToImage

CHUNK = 20
SMALL = {"resolution": 32, "n": COUNT, "features": "random_conv", "clip": "embedded:shapes_scorer"}


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coco(tmp_path_factory.mktemp("coco"))


def values(result: dict[str, Any]) -> dict[str, float]:
    return {name: found["value"] for name, found in result["metrics"].items()}


def run(coco: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return evaluate_coco(CocoRequest(coco, out=out, **{**SMALL, **changes}))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_runs_and_says_what_it_did_and_why_nothing_compares(
    protocol: str, coco: Path, tmp_path: Path
):
    features = "judge" if protocol == "val2017-5k" else "random_conv"
    result = run(coco, tmp_path, protocol=protocol, features=features)
    distance = result["metrics"][f"fd_{features}"]
    assert distance["value"] > 0
    assert distance["ddof"] == (0 if protocol == "stylegan-t" else 1)
    assert 0.3 < result["metrics"]["clip_score_small_clip"]["value"] < 1
    assert result["pictures"]["count"] == result["reference"]["count"] == COUNT
    assert ("random" if protocol == "stylegan-t" else "const") in result["pictures"]["prepared"]
    assert result["recipe"][0] == f"protocol {protocol}, 32 px"
    reasons = " ".join(result["obstacles"]["fid"])
    for part in ("is no FID", "32 px, and", "48 pictures instead of", "has 48 images"):
        assert part in reasons
        assert any(part in line for line in result["warnings"])
    assert json.loads((tmp_path / "coco.json").read_text()) == result
    assert len((tmp_path / "captions.txt").read_text().splitlines()) == COUNT


def run_protocols(folder: str, coco: str, places: list[dict[str, str]]) -> None:
    """What each of two processes does: all protocols, each in a group of its own."""
    torch.set_num_threads(1)
    store.CHUNK = CHUNK
    for protocol, place in zip(PROTOCOLS, places, strict=True):
        os.environ.update(place)
        words = f"eval coco --coco {coco} --protocol {protocol} --resolution 32 --n {COUNT} --features random_conv"
        assert main(f"{words} --clip embedded:shapes_scorer --out {folder}/{protocol}".split()) == 0


def test_two_processes_give_the_numbers_of_one(coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "CHUNK", CHUNK)
    groups = [survival.places(2) for _ in PROTOCOLS]
    ranks = [
        survival.SERVER.Process(
            target=run_protocols, args=(str(tmp_path), str(coco), list(places)), daemon=True
        )
        for places in zip(*groups, strict=True)
    ]
    for rank in ranks:
        rank.start()
    alone = {name: run(coco, tmp_path / f"{name}-alone", protocol=name) for name in PROTOCOLS}
    assert [survival.code_of(rank) for rank in ranks] == [0, 0]
    for name, expected in alone.items():
        together = json.loads((tmp_path / name / "coco.json").read_text())
        assert values(together) == values(expected)
        assert together["captions"] == expected["captions"]
        assert (
            len(list((tmp_path / name).rglob("*.safetensors"))) == 3 * 3
        )  # two networks, and the reference of one


def test_a_killed_run_goes_on_where_it_was(coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "CHUNK", CHUNK)
    request, totals = CocoRequest(coco, out=tmp_path, **{**SMALL, "clip": "none"}), set[int]()
    first = evaluate_coco(request)
    for path in list(tmp_path.rglob("000001.safetensors")):
        path.unlink()
    again = evaluate_coco(request, on_progress=lambda done, total: totals.add(total))
    assert values(again) == values(first)
    assert totals == {CHUNK}


def test_pictures_drawn_elsewhere_score_as_the_model_that_drew_them(coco: Path, tmp_path: Path):
    captions, folder = tmp_path / "captions.txt", tmp_path / "drawn"
    request = CocoRequest(coco, out=tmp_path / "model", **{**SMALL, "n": 12})
    assert write_captions(request, captions) == 12
    own = evaluate_coco(request)
    folder.mkdir()
    texts = [
        c.caption for c in choose(read_annotations(coco, "val2014"), PROTOCOLS["clean30k"], n=12, seed=0)
    ]
    for number, image in enumerate(TextToImage.from_checkpoint().generate(texts, range(12))):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{number}.png")
    given = replace(
        request, images=folder, captions=captions, n=None, out=tmp_path / "given", cache=tmp_path / "cache"
    )
    found = evaluate_coco(given)
    assert values(found) == pytest.approx(values(own), rel=1e-6)
    assert not any("captions" in line for line in found["obstacles"]["fid"] if "list" in line)
    lines = captions.read_text().splitlines()
    captions.write_text("\n".join(lines[::-1]))
    shuffled = evaluate_coco(given)
    assert values(shuffled)["clip_score_small_clip"] < values(own)["clip_score_small_clip"] - 0.1
    assert "the captions are not clean30k's list, in its order" in shuffled["obstacles"]["fid"]
    captions.write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match="11 captions for the 12 pictures"):
        evaluate_coco(given)


def test_a_score_by_the_model_s_own_text_encoder_is_warned_of(coco: Path, tmp_path: Path):
    result = run(coco, tmp_path, n=4, clip="embedded:shapes_clip")
    assert any(
        "embedded:shapes_clip, whose CLIP score it has learned to please" in w for w in result["warnings"]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "clean-30k"}, "did you mean 'clean30k'"),
        ({"resolution": 64}, "draws 32 px, and nothing is enlarged to 64"),
        ({"captions": Path("x")}, "chooses its own captions"),
        ({"images": Path("x")}, "Give --captions FILE"),
        ({"images": Path("x"), "model": "y"}, "Give one of them"),
        ({"images": Path("x"), "captions": Path("x"), "psi": 0.5}, "--psi is a model's"),
        ({"n": 1}, "--count 2 or more"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(
    changes: dict[str, Any], message: str, coco: Path, tmp_path: Path
):
    with pytest.raises(UsageError, match=message):
        run(coco, tmp_path, **changes)


def test_a_result_that_is_no_fid_or_not_by_its_protocol_gets_no_published_number(coco: Path, tmp_path: Path):
    result = run(coco, tmp_path, n=4, clip="none")
    with pytest.raises(UsageError, match="compares with no published number: fd_random_conv is no FID"):
        published.beside(result, "fid")
    with pytest.raises(UsageError, match="there is none"):
        published.beside(result, "clip_score")
    genuine = {"protocol": "gigagan", "resolution": 256, "obstacles": {"fid": [], "clip_score": ["x"]}}
    assert len(published.beside(genuine, "fid")) > 20
    assert PairRecipe().text == "image and caption"


def test_the_table_shows_own_and_published_numbers_and_a_result_with_obstacles_no_table(
    coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    result = run(coco, tmp_path, n=4, clip="none", protocol="stylegan-t")
    show(result)
    text = capsys.readouterr().out
    assert "GigaGAN" not in text
    assert "note: fd_random_conv is no FID" in text
    assert text.startswith(
        "The protocol, from which this run departs as the notes say:\nprotocol stylegan-t, 32 px"
    )
    assert result["captions"]["list_sha256"] in text
    assert "fd_random_conv" in text
    assert "4 / 48" in text  # the table of every eval command
    fid = {"value": 12.3456, "network": "inception", "prepared": "bilinear 299 px"}
    show(
        result
        | {
            "resolution": 256,
            "metrics": {"fid_legacy_tensorflow": fid},
            "obstacles": {"fid": [], "clip_score": [""]},
        }
    )
    lines = {
        line.split("  ")[1].strip(): line for line in capsys.readouterr().out.splitlines() if "  " in line
    }
    header = lines["model"]
    assert (
        lines["embedded:shapes"].index("12.35")
        == lines["StyleGAN-T"].index("13.9")
        == header.index("FID, stylegan-t")
    )
    assert lines["DALL-E 2"].index("10.39") == header.index("other protocol")
    assert "the paper's own" in lines["DALL-E 2"]
    assert "gigagan" in lines["GigaGAN"]
    assert "not told" in lines["DMD2"]


def test_gigagan_draws_the_captions_of_a_file_and_says_which_are_not_ms_coco_s(coco: Path, tmp_path: Path):
    texts = [found[0][1].strip() for found in read_annotations(coco, "val2014").captions.values()][:5]
    file = tmp_path / "captions.txt"
    file.write_bytes("".join(f"{text}\r\n" for text in [*texts, "a strange one"]).encode())
    changes = {"protocol": "gigagan", "captions": file, "clip": "none"}
    result = run(coco, tmp_path / "out", n=6, **changes)
    assert (tmp_path / "out/captions.txt").read_text().splitlines() == [*texts, "a strange one"]
    assert "1 captions are none of captions_val2014.json" in result["obstacles"]["fid"]
    with pytest.raises(UsageError, match="has 6 captions, and 7 are drawn"):
        run(coco, tmp_path / "out", n=7, **changes)
    for content, message in (
        (b"a\n\nb\n", "line 2 is empty"),
        (b"", "it is empty"),
        (b"\xff\xfe", "no UTF-8 text"),
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=message):
            run(coco, tmp_path / "out", n=6, **changes)
