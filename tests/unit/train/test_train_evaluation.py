"""Metrics during a run: true numbers, an untouched training, a best that is the best, and nothing lost over a resume."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny import newest_state, tiny_recipe

from t2igan import checkpoint
from t2igan.clip_scorer import load_scorer
from t2igan.data.loader import build_stream, collate
from t2igan.data.shapes_shards import write_shapes
from t2igan.encode import to_yaml
from t2igan.errors import RecipeError, WeightsError
from t2igan.features import build_extractor
from t2igan.images import read_metadata
from t2igan.metrics.clip_score import cosines
from t2igan.metrics.config import MetricsConfig, RandomConvFeaturesConfig
from t2igan.metrics.fid import frechet_distance_of_features
from t2igan.metrics.names import is_better
from t2igan.metrics.stats import FeatureStats
from t2igan.pipeline import TextToImage
from t2igan.recipe.load import load_recipe
from t2igan.recipe.schema import GanRecipe
from t2igan.train.measures import Share
from t2igan.train.run import run

NAME, SCORE = "fd_random_conv", "clip_score_small_clip"
NUM, REFERENCE = 20, 30
SETS = f"every_kimg: 0.104, num_images: {NUM}, reference_images: {REFERENCE}, features: {{kind: random_conv}}"  # 13 steps
METRICS = f"metrics={{{SETS}, best: {NAME}}}"
FULL = f"metrics={{{SETS}, best: {NAME}, clip: {{kind: small_clip}}, psi: [1.0, 0.5], psi_grid: [1.0, 0.0]}}"
OFTEN = ("train.state_kimg=0.104", "train.sample_kimg=0.104", "train.keep_states=9")
ROUNDING = 1e-4  # float32 in passes of another size; now and then it moves a pixel by a grey level
BEST = Path("snapshots") / "best.safetensors"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 39 steps, measured three times."""
    folder = tmp_path_factory.mktemp("measured")
    run(recipe(FULL), folder)
    return folder


def recipe(*sets: str, steps: int = 39) -> GanRecipe:
    return tiny_recipe(*OFTEN, *sets, stages=((16, steps),))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def values(folder: Path, name: str = NAME, psi: float = 1.0) -> dict[int, float]:
    return {row["step"]: row[name] for row in rows(folder) if row["psi"] == psi}


def best_of(folder: Path) -> dict[str, Any]:
    return checkpoint.read_header(folder / BEST).progress


def as_killed_at(kimg: str, measured: Path, folder: Path, *, last_row: int) -> None:
    """What a run has left that was killed after the state of `kimg` was written, and a step of metrics."""
    (folder / "state").mkdir(parents=True)
    shutil.copy(measured / "state" / f"{kimg}.safetensors", folder / "state")
    lines = [json.dumps(row) + "\n" for row in rows(measured) if row["step"] <= last_row]
    (folder / "metrics.jsonl").write_text("".join(lines))


def test_a_run_with_metrics_ends_in_the_same_bits_as_one_without(measured: Path, tmp_path: Path):
    run(recipe(), tmp_path)
    assert not (tmp_path / "metrics.jsonl").exists()
    plain, with_metrics = load_file(newest_state(tmp_path)), load_file(newest_state(measured))
    assert plain.keys() == with_metrics.keys()
    assert [key for key in plain if not torch.equal(plain[key], with_metrics[key])] == []


def test_metrics_are_a_line_for_each_psi_that_says_what_was_measured(measured: Path):
    assert [(r["step"], r["psi"]) for r in rows(measured)] == [
        (step, psi) for step in (13, 26, 39) for psi in (1.0, 0.5)
    ]
    first = rows(measured)[0]
    assert (first["kimg"], first["resolution"], first["num_images"]) == (0.104, 16, NUM)
    assert first["features"].startswith("random_conv-")
    assert first["features"].endswith(", bicubic 32 px")
    assert first["clip"] == load_scorer().fingerprint
    assert "metrics at 0.1 kimg, psi 0.5:" in (measured / "log.txt").read_text()


def test_every_stage_is_measured_at_its_end_with_images_of_its_size(tmp_path: Path):
    run(tiny_recipe(METRICS.replace("0.104", "0.016"), stages=((16, 3), (32, 2))), tmp_path)
    assert [(row["step"], row["resolution"]) for row in rows(tmp_path)] == [
        (2, 16),
        (3, 16),
        (4, 32),
        (5, 32),
    ]
    assert sorted(path.name for path in (tmp_path / "metrics").iterdir()) == [
        "reference_16.safetensors", "reference_32.safetensors",
    ]  # fmt: skip
    assert best_of(tmp_path)["best"]["measured"]["resolution"] == 32  # numbers of two sizes do not compare


def drawn_anew(snapshot: Path, psi: float) -> tuple[float, float]:
    """Distance and score of a snapshot as the pipeline draws it, without statistics, passes or ranks."""
    model = TextToImage.from_checkpoint(snapshot)
    stream = build_stream(recipe().data, resolution=16, seed=0)
    samples = [stream.sample(i) for i in range(REFERENCE)]
    captions = [sample.caption for sample in samples[:NUM]]
    extractor, scorer = build_extractor(RandomConvFeaturesConfig()), load_scorer()
    images = model.generate(captions, range(NUM), psi=psi)
    score = cosines(scorer.embed_images(images), scorer.embed_texts(captions)).mean()
    return frechet_distance_of_features(extractor(collate(samples).images), extractor(images)), float(score)


@pytest.mark.parametrize("psi", [1.0, 0.5])
def test_the_numbers_are_those_of_the_snapshot_drawn_anew(psi: float, measured: Path):
    found = values(measured, NAME, psi)[39], values(measured, SCORE, psi)[39]
    expected = drawn_anew(measured / "snapshots" / "000000.3.safetensors", psi)
    assert found == pytest.approx(expected, rel=ROUNDING)


def test_a_text_encoder_that_trains_is_measured_with_its_average(tmp_path: Path):
    sets = ("conditioner={kind: small_clip}", "generator.c_dim=128", "discriminator.c_dim=128")
    stages = "stages=[{resolution: 16, kimg: 0.008}, {resolution: 16, kimg: 0.032, trains: text_encoder}]"
    clip = SETS.replace("0.104", "0.04") + ", clip: {kind: small_clip}"
    last = run(recipe(*sets, "optim.T.learning_rate=1e-3", stages, f"metrics={{{clip}}}"), tmp_path)
    found = values(tmp_path)[5], values(tmp_path, SCORE)[5]
    assert found == pytest.approx(drawn_anew(last, 1.0), rel=ROUNDING)


@pytest.mark.parametrize("pieces", ["train.batch_gpu=2", "train.batch_gpu=4"])
def test_the_numbers_do_not_depend_on_the_images_a_pass(pieces: str, tmp_path: Path):
    """Before the first step, where the weights are equal to the last bit; 20 is no multiple of 8."""
    found = []
    for name, sets in (("whole", ()), ("pieces", (pieces,))):
        rate = "optim.G.learning_rate=1e-30"  # the average stays as it began
        run(tiny_recipe(METRICS, rate, *sets, stages=((16, 1),)), tmp_path / name)
        found.append(values(tmp_path / name)[1])
    assert found[0] == pytest.approx(found[1], rel=ROUNDING)


def test_reference_statistics_are_kept_with_their_source_and_used_again(tmp_path: Path):
    run(recipe(METRICS, steps=13), tmp_path)
    path = tmp_path / "metrics" / "reference_16.safetensors"
    stats = FeatureStats.load(path)
    assert (stats.count, stats.protocol) == (REFERENCE, "bicubic 32 px")
    assert stats.data.startswith(f"{REFERENCE} training images ")
    stats.mean += 10  # only a reader of the file can know this
    stats.save(path)
    run(recipe(METRICS, steps=26), tmp_path)
    assert values(tmp_path)[26] > 1000
    run(recipe(METRICS.replace("reference_images: 30", "reference_images: 31"), steps=39), tmp_path)
    assert FeatureStats.load(path).count == 31
    assert values(tmp_path)[39] < 1000


def test_the_best_file_is_the_generator_with_the_best_number(measured: Path):
    found, progress = values(measured), best_of(measured)
    step = min(found, key=found.__getitem__)
    assert (progress["best"]["metric"], progress["best"]["value"]) == (NAME, found[step])
    assert progress["step"] == step
    best, numbered = (
        TextToImage.from_checkpoint(measured / name)
        for name in (BEST, f"snapshots/{step * 8 / 1000:08.1f}.safetensors")
    )
    assert best.fingerprint == numbered.fingerprint


def test_distances_are_best_small_and_clip_scores_large():
    config = MetricsConfig.model_validate({"clip": {"kind": "small_clip"}, "best": "fid"})
    assert (is_better(config, 3.0, 4.0), is_better(config, 4.0, 4.0)) == (True, False)
    config = config.model_copy(update={"best": SCORE})
    assert (is_better(config, 0.3, 0.2), is_better(config, 0.2, 0.3), is_better(config, 0.1, None)) == (
        True, False, True,
    )  # fmt: skip


@pytest.mark.parametrize(("state", "is_kept"), [("000000.2", True), ("000000.1", False)])
def test_the_best_so_far_survives_a_resume_unless_it_lies_ahead(
    state: str, is_kept: bool, measured: Path, tmp_path: Path
):
    as_killed_at(state, measured, tmp_path, last_row=13)
    header, tensors = checkpoint.read(measured / BEST, kind="generator")
    header.progress.update(nimg=26 * 8, step=26)
    header.progress["best"]["value"] = -1.0  # nothing that is measured can beat this
    checkpoint.save(tmp_path / BEST, tensors, header)
    run(recipe(FULL), tmp_path)
    assert (best_of(tmp_path)["best"]["value"] == -1.0) == is_kept


@pytest.mark.parametrize("last_row", [13, 26], ids=["not measured", "measured"])
def test_a_run_killed_between_saving_and_measuring_measures_when_it_goes_on(
    last_row: int, measured: Path, tmp_path: Path
):
    as_killed_at("000000.2", measured, tmp_path, last_row=last_row)
    run(recipe(FULL), tmp_path)
    assert values(tmp_path) == values(measured)
    assert len(rows(tmp_path)) == len(rows(measured))


def test_the_numbers_of_another_measurement_are_no_best_so_far(measured: Path, tmp_path: Path):
    as_killed_at("000000.2", measured, tmp_path, last_row=26)
    header, tensors = checkpoint.read(measured / BEST, kind="generator")
    header.progress.update(nimg=13 * 8, step=13)
    header.progress["best"]["value"] = -1.0
    checkpoint.save(tmp_path / BEST, tensors, header)
    run(recipe(FULL.replace("num_images: 20", "num_images: 24")), tmp_path)
    assert best_of(tmp_path)["best"]["measured"]["num_images"] == 24
    assert best_of(tmp_path)["step"] == 39


def test_a_best_that_cannot_be_written_is_said_and_training_goes_on(tmp_path: Path):
    (tmp_path / BEST).mkdir(parents=True)
    run(recipe(METRICS, steps=13), tmp_path)
    assert "warning: the best snapshot was not written" in (tmp_path / "log.txt").read_text()
    assert list(values(tmp_path)) == [13]


def test_missing_weights_are_an_error_before_the_run_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("T2IGAN_WEIGHTS", raising=False)
    with pytest.raises(WeightsError, match=r"inception-2015-12-05\.pt"):
        run(recipe("metrics={every_kimg: 1}"), tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == []


def test_the_psi_grid_has_a_row_a_prompt_and_a_column_a_psi(measured: Path, tmp_path: Path):
    story = read_metadata(measured / "samples" / "psi_000000.3.png")
    assert story["psi"] == [1.0, 0.0]
    assert (len(story["prompts"]), story["seeds"]) == (8, list(range(8)))
    height, width = story["size"]
    assert width == 2 * (128 + 4) + 4  # tiles of 128 pixels, margins of 4
    assert height > 8 * 128
    run(recipe(METRICS.replace("best", "psi_grid: [], best"), steps=1), tmp_path)
    assert not list((tmp_path / "samples").glob("psi_*.png"))


def test_a_data_set_of_fewer_images_than_asked_for_is_read_once(tmp_path: Path):
    write_shapes(tmp_path / "data", n=12, resolution=16)
    data = f"data={{kind: shards, shards: '{tmp_path / 'data'}', cache: true}}"
    run(recipe(METRICS, data, steps=1), tmp_path / "run")
    stats = FeatureStats.load(tmp_path / "run" / "metrics" / "reference_16.safetensors")
    assert (stats.count, rows(tmp_path / "run")[0]["num_images"]) == (12, NUM)
    extractor = build_extractor(RandomConvFeaturesConfig())
    stream = build_stream(recipe(data).data, resolution=16, seed=0)
    whole = extractor(collate([stream.sample(i) for i in range(12)]).images)
    torch.testing.assert_close(stats.mean, whole.double().mean(dim=0), rtol=1e-5, atol=1e-6)


def test_trackers_hear_metrics_by_name(tmp_path: Path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run(recipe(FULL, "train.loggers=[tensorboard]", steps=2), tmp_path)
    found = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    names = [tag for tag in found.Tags()["scalars"] if tag.startswith("metrics/")]
    assert sorted(names) == [f"metrics/{name}{psi}" for name in (SCORE, NAME) for psi in ("", "_psi0.5")]
    (event,) = found.Scalars(f"metrics/{NAME}")
    assert event.step == 16
    assert event.value == pytest.approx(values(tmp_path)[2], rel=1e-6)  # TensorBoard stores float32


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (
            "best: fid_random_conv",
            "metrics.best: 'fid_random_conv' is not measured; did you mean 'fd_random_conv'?",
        ),
        ("best: clip_score_small_clip", "Measured: fd_random_conv; null keeps no best"),
    ],
)
def test_a_best_that_is_not_measured_is_refused(sets: str, said: str):
    with pytest.raises(RecipeError) as error:
        recipe(f"metrics={{features: {{kind: random_conv}}, {sets}}}")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ("clip: {kind: small_clip, checkpoint: 'embedded:shapes_clip'}", "reads the generator's captions"),
        ("features: {kind: small_clip, checkpoint: 'embedded:shapes_clip'}", "criticises the generator"),
    ],
)
def test_a_network_that_the_generator_pleases_does_not_judge_it(sets: str, said: str):
    with pytest.raises(RecipeError, match=said):
        load_recipe("shapes", [f"metrics={{{sets}}}"])


def test_shares_of_all_ranks_are_the_whole_in_passes_of_one_length(monkeypatch: pytest.MonkeyPatch):
    for total, batch, world in ((20, 8, 1), (20, 8, 3), (5, 2, 4), (2, 1, 4)):
        monkeypatch.setattr("t2igan.dist.world", lambda world=world: world)
        counted, lengths = [], set()
        for rank in range(world):
            monkeypatch.setattr("t2igan.dist.rank", lambda rank=rank: rank)
            passes = list(Share.of(total, batch).passes())
            lengths.add(tuple(len(numbers) for numbers, _ in passes))
            counted += [i for numbers, count in passes for i in numbers[:count]]
        assert sorted(counted) == list(range(total))
        assert len(lengths) == 1


@pytest.mark.slow
@pytest.mark.parametrize("is_split", ["false", "true"])
def test_two_ranks_measure_what_one_process_measures(is_split: str, tmp_path: Path):
    """One step whose rate is nothing, so that both measure the same weights; passes of 4 images on both."""
    sets = ("optim.G.learning_rate=1e-30", "train.batch_gpu=4")
    run(recipe(FULL, *sets, steps=1), tmp_path / "one")
    train_on_two(to_yaml(recipe(FULL, *sets, f"train.shard_generator={is_split}", steps=1)), tmp_path)
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert [row["psi"] for row in two] == [1.0, 0.5]
    for a, b in zip(one, two, strict=True):
        assert b[NAME] == pytest.approx(a[NAME], rel=1e-9)
        assert b[SCORE] == pytest.approx(a[SCORE], rel=1e-9)
        assert b["reference"] == a["reference"]
    first, second = (
        FeatureStats.load(tmp_path / k / "metrics" / "reference_16.safetensors") for k in ("one", "two")
    )
    assert first.count == second.count == REFERENCE
    torch.testing.assert_close(second.cov(), first.cov(), rtol=1e-9, atol=1e-12)
    assert (
        TextToImage.from_checkpoint(tmp_path / "two" / BEST).header.progress["best"]["value"] == two[0][NAME]
    )


def train_on_two(text: str, folder: Path) -> None:
    """Train in two gloo processes."""
    (folder / "recipe.yaml").write_text(text)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    command = [sys.executable, "-m", "t2igan", "train", "--recipe", "recipe.yaml", "--out", "two"]
    processes = [
        subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", **place},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    logs = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], logs
