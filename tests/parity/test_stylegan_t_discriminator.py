"""The projected discriminator, its heads and its operations equal the official numbers (tests/fixtures/stylegan_t)."""

from __future__ import annotations

import re

import pytest
import torch
from stylegan_t_fixtures import below, error, grad_norm_error, load_case

from t2igan.convert.stylegan_t import load_discriminator, load_head
from t2igan.models.common.heads import Head
from t2igan.ops.batchnorm_local import BatchNormLocal
from t2igan.ops.blur import blur_sigma, gaussian_blur
from t2igan.types import Condition

FORWARD = 1e-4  # of the largest value, from the fixtures' README; 5e-7 is reached
GRADIENT = 1e-3
HEADS = ["disc_head", "disc_head_b16", "disc_head_uncond"]


@pytest.mark.parametrize("name", HEADS)
def test_head_equals_the_reference_in_evaluation(name):
    weights, inputs, outputs, meta = load_case(name)
    assert error(load_head(weights, meta)(inputs["x"], inputs.get("c")), outputs["eval"]) < FORWARD


@pytest.mark.parametrize("name", HEADS)
def test_head_equals_the_reference_in_two_training_calls(name):
    weights, inputs, outputs, meta = load_case(name)
    head = load_head(weights, meta).train()
    assert error(head(inputs["x"], inputs.get("c")), outputs["train"]) < FORWARD
    for buffer, value in head.named_buffers():
        assert error(value, outputs[f"train_buffers/{buffer}"]) < FORWARD
    assert error(head(inputs["x"], inputs.get("c")), outputs["train_second_call"]) < FORWARD


@pytest.mark.parametrize("name", HEADS)
def test_head_gradients_equal_the_reference(name):
    weights, inputs, outputs, meta = load_case(name)
    head, x = load_head(weights, meta).train(), inputs["x"].requires_grad_()
    torch.relu(1 + head(x, inputs.get("c"))).mean().backward()
    assert x.grad is not None
    assert error(x.grad, outputs["train_grad_x"]) < GRADIENT
    for parameter, value in head.named_parameters():
        expected = outputs[f"train_grad/{parameter}"]
        if expected.abs().max() > 1e-7:  # below lie the biases in front of a batch norm: rounding noise
            assert value.grad is not None
            assert error(value.grad, expected) < GRADIENT


def test_discriminator_equals_the_reference_with_resize_and_with_crop():
    weights, inputs, outputs, meta = load_case("discriminator_64")
    D, c = load_discriminator(weights, meta), Condition(inputs["c"])
    assert error(D(inputs["x"], c), outputs["eval_logits"]) < FORWARD
    top, left, height, width = meta["crop_box_top_left_h_w"]
    cropped = D(inputs["x"], c, crop_box=(top, left, height, width))
    assert error(cropped, outputs["eval_logits_crop"]) < FORWARD


def test_discriminator_features_equal_the_reference():
    weights, inputs, outputs, meta = load_case("discriminator_64")
    features = load_discriminator(weights, meta).features(inputs["x"])
    for i, found in enumerate(features):
        assert error(found[:1].flatten(2), outputs[f"feat{i}_sample0"]) < FORWARD


def test_discriminator_gradients_equal_the_reference():
    weights, inputs, outputs, meta = load_case("discriminator_64")
    D, x = load_discriminator(weights, meta).train(), inputs["x"].requires_grad_()
    logits = D(x, Condition(inputs["c"]))
    torch.relu(1 + logits).mean().backward()
    assert error(logits, outputs["train_logits"]) < FORWARD
    assert x.grad is not None
    assert error(x.grad[:1], outputs["train_grad_x_sample0"]) < GRADIENT
    assert x.grad.norm().item() == pytest.approx(meta["grad_x_norm"], rel=GRADIENT)
    assert grad_norm_error(D, meta["grad_norms"]) < GRADIENT


def test_the_five_official_heads_have_7753600_parameters():
    with torch.device("meta"):
        heads = [Head(384, 768) for _ in range(5)]
    assert sum(p.numel() for head in heads for p in head.parameters()) == 7_753_600


@pytest.mark.parametrize("case", ["B1_L7", "B2_L1", "B4_L7", "B8_L7", "B10_L7", "B12_L7", "B16_L7", "B24_L7"])
def test_local_batch_norm_equals_the_reference(case):
    weights, inputs, outputs, _ = load_case("batchnorm_local")
    norm = BatchNormLocal(5)
    norm.load_state_dict(below(weights, case))
    assert error(norm(inputs[case]), outputs[case]) < FORWARD


def test_blur_equals_the_reference_at_every_sigma():
    _, inputs, outputs, meta = load_case("blur")
    for sigma in meta["sigmas"]:
        assert error(gaussian_blur(inputs["x"], sigma), outputs[f"sigma{sigma}"]) < FORWARD


def test_blur_fades_as_the_reference_does():
    _, _, _, meta = load_case("blur")
    for name, schedule in meta["schedule"].items():
        sigma0, fade_kimg = (float(number) for number in re.findall(r"\d+", name))
        for nimg, sigma in schedule.items():
            assert blur_sigma(sigma0, fade_kimg, int(nimg)) == pytest.approx(sigma, abs=1e-9)
