"""The lite recipe, looked at once: frozen networks at their true sizes without their weights, and FLOPs."""

from __future__ import annotations

import pytest
import torch

from t2igan.dry_run.params import blocks_of
from t2igan.dry_run.probe import Probe, probe
from t2igan.dry_run.split import Split, split_of
from t2igan.dry_run.timing import time_stage
from t2igan.dry_run.weightless import missing_metrics, missing_weights, without_weights
from t2igan.recipe.load import load_recipe

ONE = Split(batch=1, ranks=1, piece=1, pieces=1, steps=1)


@pytest.fixture(scope="module")
def lite() -> Probe:
    return probe(without_weights(load_recipe("lite")), 0, 1, accumulates=False, dtype=torch.bfloat16)


def test_frozen_networks_have_their_true_sizes(lite: Probe):
    found = {name: block.total for name, block in blocks_of(lite.state).items()}
    assert found["D backbone"] == 21_665_664  # DINO ViT-S/16
    assert found["text encoder"] == 123_650_305
    assert found["text encoder"] + found["CLIP guide"] == 427_616_513  # CLIP ViT-L/14
    assert sum(count for name, count in found.items() if name.startswith("D heads")) == 7_753_600
    trained = {name for name, block in blocks_of(lite.state).items() if block.trained}
    assert all(name.startswith(("G ", "D heads")) for name in trained)


def test_a_generated_image_of_lite_takes_109_gflop(lite: Probe):
    assert lite.generator_flops == pytest.approx(109.2e9, rel=0.01)


def test_dino_sees_three_images_a_step_and_takes_what_a_vit_of_its_size_takes(lite: Probe):
    n, width, layers, patches = 197, 384, 12, 196
    linear = 2 * n * layers * 12 * width**2  # q, k, v, out, and two of four times the width
    attention = 2 * layers * 2 * n**2 * width
    embedding = 2 * patches * 16 * 16 * 3 * width
    assert lite.flops["D features"] == pytest.approx(3 * (linear + attention + embedding), rel=1e-3)


def test_the_guide_goes_backwards_to_the_image_only(lite: Probe):
    # Forward of ViT-L/14 at 224 px, from its geometry; activations' gradients cost as much again, weights' nothing.
    n, width, layers = 257, 1024, 24
    forward = 2 * n * layers * 12 * width**2 + 2 * layers * 2 * n**2 * width + 2 * 256 * 14**2 * 3 * width
    assert lite.flops["CLIP guidance"] == pytest.approx(forward, rel=1e-2)
    # G twice (weights and activations) and once the guide, DINO and the heads
    backward = 2 * lite.generator_flops + forward + lite.flops["D features"] / 3 + lite.flops["D heads"] / 3
    assert lite.flops["backward of G"] == pytest.approx(backward, rel=0.03)  # attention's backward recomputes


def test_missing_weights_are_named_and_are_the_reason_that_nothing_is_timed(
    lite: Probe, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("T2IGAN_WEIGHTS", "/nowhere")
    monkeypatch.setenv("T2IGAN_ALLOW_NETWORK", "1")  # planning downloads nothing nevertheless
    recipe = load_recipe("lite")
    assert [line.split()[3] for line in missing_weights(recipe)] == ["ViT-L-14", "vit_small_patch16_224.dino"]
    assert len(missing_metrics(recipe)) == 2
    reason = time_stage(recipe, 0, ONE, lite, needed=0)
    assert isinstance(reason, str)
    assert "the weights of ViT-L-14 are not on this machine" in reason


def test_the_batch_is_images_times_pieces_times_ranks():
    split = split_of(load_recipe("full"), 0, 64)
    assert split.formula == "2048 = 16 images x 2 pieces x 64 ranks"
    assert split.steps == 118_000
    assert split_of(load_recipe("full"), 6, 64).steps == 3_000
    assert split_of(load_recipe("smoke"), 0, 1).formula == "16 = 16 images x 1 pieces x 1 ranks"
