"""Curves over truncation: exact values of psi, Pareto points by hand, a curve that goes on, files that other programs read."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from t2igan.cli.app import main
from t2igan.data.config import ShapesConfig
from t2igan.data.shapes_shards import write_shapes
from t2igan.errors import UsageError
from t2igan.evaluation.curve import measure_curve, parse_psi
from t2igan.evaluation.curve_files import choose_captions, curve_of_models, labels, write_curve
from t2igan.evaluation.curve_plots import curve_page, curve_svg
from t2igan.evaluation.curve_points import Curve, CurvePoint, as_csv, knees, pareto
from t2igan.evaluation.sources.rendered import RenderedSource, shapes_of
from t2igan.metrics.config import RandomConvFeaturesConfig, SmallClipFeaturesConfig
from t2igan.pipeline import TextToImage

SVG = "{http://www.w3.org/2000/svg}"
# psi, distance, score: 0.2 is beaten by 0.4 in both; 1 is beaten by 0.7 in score at an equal distance
BY_HAND = ((0.2, 9.0, 0.30), (0.4, 8.0, 0.31), (0.7, 5.0, 0.25), (1.0, 5.0, 0.24))


def by_hand(model: str = "a<b") -> Curve:
    points = [CurvePoint(model, psi, d, s, 0.9 - psi / 3, psi / 3) for psi, d, s in BY_HAND]
    facts = {"n": 12, "seed": 0, "reference": {"count": 20}, "warnings": ["few & far"]}
    return Curve(points, "fd_x", "clip_score_y", facts)


def test_a_range_of_psi_holds_exact_decimals_and_both_ends():
    assert parse_psi("0:1:0.1") == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert parse_psi("1:0.2:-0.4") == (0.2, 0.6, 1.0)
    assert parse_psi("0:1:0.3") == (0.0, 0.3, 0.6, 0.9)
    assert parse_psi("1,-0.5, 1") == (-0.5, 1.0)


@pytest.mark.parametrize(
    "text", ["", "0:1", "0:1:0", "0:1:-0.1", "a", "0:1:1e-9", "0:3:1", "nan", "0:inf:1", "1:2:3:4"]
)
def test_what_is_no_range_of_psi_is_refused(text: str):
    with pytest.raises(UsageError, match="--psi"):
        parse_psi(text)


def test_a_pareto_point_is_beaten_in_nothing_without_being_better_in_something():
    assert pareto(by_hand().points) == [False, True, True, False]
    twice = [*by_hand().points[1:2] * 2, CurvePoint("nan", 0, float("nan"), 1.0, 0, 0)]
    assert pareto(twice) == [True, True, False]


def bent(model: str = "bent") -> Curve:
    """psi 1 is beaten by 0.8; of the scaled front the leads over its chord are 0, 0.57, 0.33, 0."""
    values = ((1.0, 12.0, 0.25), (0.8, 10.0, 0.27), (0.6, 12.0, 0.31), (0.4, 20.0, 0.32), (0.2, 30.0, 0.33))
    points = [CurvePoint(model, psi, d, s, 0.9 - psi / 3, psi / 3) for psi, d, s in values]
    return Curve(points, "fd_x", "clip_score_y", by_hand().facts)


def test_the_knee_is_the_pareto_point_furthest_from_the_chord():
    points = bent().points
    assert knees(points) == [False, False, True, False, False]
    scaled = [replace(p, distance=1e3 * p.distance - 7, score=p.score / 50 + 1) for p in points]
    assert knees(scaled) == knees(points)
    other = [replace(p, model="other") for p in scaled]
    assert (
        knees([*points, *other]) == knees(points) * 2
    )  # each model's own, although all of one beat the other's
    straight = [CurvePoint("m", i, float(i), float(i), 0, 0) for i in range(4)]
    hollow = [CurvePoint("m", i, float(i) ** 0.5, float(i), 0, 0) for i in range(4)]
    for found in (straight, hollow, points[1:3], points[:1], [*points[:1] * 3], by_hand().points, []):
        assert not any(knees(found))


def test_knee_and_psi_1_stand_in_table_drawing_and_page():
    rows = list(csv.DictReader(io.StringIO(as_csv(bent()))))
    assert [(r["psi"], r["pareto"], r["knee"], r["psi_1"]) for r in rows] == [
        ("1.0", "0", "0", "1"), ("0.8", "1", "0", "0"), ("0.6", "1", "1", "0"), ("0.4", "1", "0", "0"), ("0.2", "1", "0", "0"),
    ]  # fmt: skip
    root = ElementTree.fromstring(curve_svg(bent()))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert [text for text in texts if text in ("psi 1", "knee, psi 0.6")] == ["psi 1", "knee, psi 0.6"]
    frames = [p.get("d") for p in root.iter(f"{SVG}path") if p.get("stroke-width") == "1.5"]
    assert len(frames) == 2 * 4  # in every panel
    assert any("psi 0.6 (the knee): fd_x 12" in (t.text or "") for t in root.iter(f"{SVG}title"))
    broken = replace(bent().points[0], psi=0.9, distance=float("nan"))
    assert "knee, psi 0.6" in curve_svg(replace(bent(), points=[broken, *bent().points]))
    page = curve_page(bent()).html()
    assert "Pareto, knee" in page
    assert "psi 1</td>" in page


def test_the_table_names_its_metrics_and_decodes_to_the_same_numbers():
    rows = list(csv.DictReader(io.StringIO(as_csv(by_hand()))))
    assert list(rows[0]) == [
        "model",
        "psi",
        "fd_x",
        "clip_score_y",
        "precision",
        "recall",
        "pareto",
        "knee",
        "psi_1",
    ]
    assert [(float(r["psi"]), float(r["fd_x"]), float(r["clip_score_y"])) for r in rows] == list(BY_HAND)
    assert [r["pareto"] for r in rows] == ["0", "1", "1", "0"]
    assert float(rows[0]["recall"]) == 0.2 / 3


def test_the_drawing_is_xml_whose_points_tell_psi_and_values():
    root = ElementTree.fromstring(curve_svg(by_hand()))
    told = [title.text or "" for title in root.iter(f"{SVG}title")]
    assert len(told) == 4 * len(BY_HAND)  # panels x points
    assert "a<b, psi 0.4: fd_x 8, clip_score_y 0.3100, precision 0.767, recall 0.133" in told
    assert (
        len([c for c in root.iter(f"{SVG}circle") if c.get("fill") == "transparent" and c.get("stroke")]) == 2
    )
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "psi 1" in texts
    assert not list(root.iter(f"{SVG}script"))


def test_five_files_are_written_and_the_page_stands_alone(tmp_path: Path):
    paths = write_curve(by_hand(), tmp_path)
    assert sorted(path.name for path in paths) == [
        f"curve.{e}" for e in ("csv", "html", "json", "png", "svg")
    ]
    page = (tmp_path / "curve.html").read_text()
    assert "few &amp; far" in page
    assert "<script" not in page
    assert "src='http" not in page
    assert [p["pareto"] for p in json.loads((tmp_path / "curve.json").read_text())["points"]] == [
        False,
        True,
        True,
        False,
    ]
    assert Image.open(tmp_path / "curve.png").size[0] > 1000


def test_two_models_have_two_colours_and_files_of_one_name_their_whole_paths():
    a, b = by_hand("a"), by_hand("b")
    both = Curve(a.points + b.points, a.distance, a.score, a.facts)
    strokes = {
        p.get("stroke")
        for p in ElementTree.fromstring(curve_svg(both)).iter(f"{SVG}path")
        if p.get("stroke-width") == "1.8"
    }
    assert len(strokes) == 2
    assert labels(["runs/a/best.safetensors", "runs/b/best.safetensors", "embedded:shapes"]) == [
        "runs/a/best.safetensors", "runs/b/best.safetensors", "embedded:shapes"]  # fmt: skip
    assert labels(["runs/a/one.safetensors", "runs/b/two.safetensors"]) == ["one", "two"]


def test_captions_are_chosen_by_seed_without_empty_ones():
    captions = [f"number {i}" if i % 3 else " " for i in range(60)]
    chosen = choose_captions(captions, "set", n=20, seed=1)
    assert chosen == sorted(chosen, key=captions.index)
    assert len(set(chosen)) == 20
    assert chosen != choose_captions(captions, "set", n=20, seed=2)
    with pytest.raises(UsageError, match="2 captions"):
        choose_captions(["a", "", "b"], "set", n=20, seed=0)


def test_a_curve_of_the_embedded_model_goes_on_where_it_was(tmp_path: Path):
    model = TextToImage.from_checkpoint()
    config = shapes_of(model.header)
    assert config is not None
    real = RenderedSource(config, resolution=32, seed=5, n=16)
    seen: list[tuple[int, int]] = []

    def measure(*psis: float) -> Curve:
        seen.clear()
        return measure_curve({"m": model}, real.captions()[:12], real, psis=psis, features=RandomConvFeaturesConfig(),
                             clip=SmallClipFeaturesConfig(), cache=tmp_path,
                             on_progress=lambda done, total: seen.append((done, total)))  # fmt: skip

    first = measure(0.0, 1.0)
    assert seen[-1] == (16 + 2 * 12, 16 + 2 * 12)
    assert measure(0.0, 1.0).points == first.points
    assert seen == []  # nothing was drawn or read
    more = measure(0.0, 0.5, 1.0)
    assert seen == [(16 + 24, 16 + 36)]  # psi 0.5 alone
    assert [more.points[0], more.points[2]] == first.points
    assert np.isfinite([p.distance for p in more.points]).all()
    assert more.facts["warnings"] == ["12 pictures: a Frechet distance of under 2048 is mostly bias. Compare within this "
                                      "curve only."]  # fmt: skip


def test_a_model_is_not_scored_by_its_own_text_encoder(tmp_path: Path):
    with pytest.raises(UsageError, match="text encoder of embedded:shapes"):
        curve_of_models(["embedded:shapes"], psi="1", n=10, out=tmp_path, device="cpu",
                        clip=SmallClipFeaturesConfig(checkpoint="embedded:shapes_clip"))  # fmt: skip


def test_the_command_writes_and_prints_the_same_curve(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["eval", "curve", "-m", "embedded:shapes", "--psi", "0.5,1", "--n", "10", "--features", "random_conv",
             "--device", "cpu", "--out", str(tmp_path / "out")]  # fmt: skip
    write_shapes(tmp_path / "set", n=12, resolution=48, seed=3, config=ShapesConfig(), per_shard=12)
    clip = ["--data", str(tmp_path / "set"), "--clip", "embedded:shapes_scorer"]
    assert main([*words, *clip, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "out" / "curve.json").read_text())
    assert told["reference"]["prepared"] == "centre crop, Lanczos 32 px"
    assert [p["psi"] for p in told["points"]] == [0.5, 1.0]
    assert main([*words, *clip]) == 0
    assert "fd_random_conv" in capsys.readouterr().out
    assert main([*words, "--n", "9"]) == 2
