"""What the community's GigaGAN (gigagan-pytorch 0.3.0) does wrong, done right: docs/gigagan.md lists fault and test.

Tested elsewhere: several processes (test_train_two_ranks.py), the upsampler (test_train_upsampler.py), that every
verdict reads the text and the vision-aided tower the batch (test_models_gigagan.py, test_features_clip_taps.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import Any

import pytest
import torch
from tiny import BATCH, tiny_recipe
from tiny_gigagan import GIGAGAN
from torch import Tensor

from t2igan.losses.adversarial import logistic_fake, logistic_generator, logistic_real
from t2igan.losses.gigagan import weigh
from t2igan.models import build_discriminator
from t2igan.models.gigagan.config import GigaGANConfig, TextLayersConfig
from t2igan.models.gigagan.discriminator import Verdicts, pyramid_of
from t2igan.models.gigagan.mapping import Mapping
from t2igan.models.gigagan.text import Text
from t2igan.train.loop import train
from t2igan.train.setup import setup_gan
from t2igan.train.state import TrainState
from t2igan.types import Batch, Condition

CPU = torch.device("cpu")
COLOURS = ("red", "green", "blue", "white", "black", "grey", "pink", "brown")


def state_of(*sets: str) -> TrainState:
    state = setup_gan(tiny_recipe(*GIGAGAN, *sets, stages=((16, 1),)), 0, CPU)
    state.stop_nimg = BATCH
    return state


def batch_of(captions: tuple[str, ...]) -> Batch:
    """Image n is plain grey, n the lighter."""
    grey = torch.arange(BATCH, dtype=torch.uint8) * 20
    return Batch(grey[:, None, None, None].expand(-1, 3, 16, 16).contiguous(), captions)


@dataclass
class Seen:
    """One call of D.score in D's phase: what its gradient says D learns of each image and caption."""

    images: Tensor  # [M n, 3, R, R]
    tokens: Tensor  # [n, L, D] of the captions
    exits: list[Tensor]  # [K, M, n, P] with gradients

    def pressure(self) -> Tensor:
        """[M, n] by how much the loss grows with the verdicts: below 0 for what D learns to call real."""
        grads = [e.grad for e in self.exits]
        return sum((g.sum(dim=(0, 3)) for g in grads if g is not None), torch.zeros(1))


def watch(state: TrainState) -> list[Seen]:
    """Keep what D sees beside its own work."""
    D: Any = state.networks["D"]
    seen: list[Seen] = []
    features, score = D.features, D.score
    latest: list[Tensor] = []

    def see(pyramid: list[Tensor], *, kinds: int = 1) -> Any:
        latest[:] = [pyramid[0].detach()]
        return features(pyramid, kinds=kinds)

    def judge(found: Any, c: Condition) -> Verdicts:
        verdicts = score(found, c)
        if latest and len(latest[0]) == 2 * len(c) and c.tokens is not None:  # neither R1 nor G's phase
            for exit_ in verdicts.exits:
                exit_.retain_grad()
            seen.append(Seen(latest[0], c.tokens, verdicts.exits))
        return verdicts

    D.features, D.score = see, judge
    return seen


def triples(seen: list[Seen], state: TrainState, batch: Batch) -> list[tuple[str, int, str]]:
    """(image, number of the caption, label) of everything that D was shown; a pressure of zero is no label."""
    tokens = state.condition(batch.captions).tokens
    assert tokens is not None
    real = batch.images.float() / 127.5 - 1
    found = []
    for call in seen:
        for pressure, image, own in zip(
            call.pressure().flatten(), call.images, [*call.tokens, *call.tokens], strict=True
        ):
            match = [n for n, one in enumerate(real) if torch.allclose(one, image, atol=0.01)]
            caption = int((tokens - own).abs().sum(dim=(1, 2)).argmin())
            if pressure != 0:
                name = f"photo {match[0]}" if match else "drawing"
                found.append((name, caption, "real" if pressure < 0 else "fake"))
    return found


@pytest.mark.parametrize("pieces", ["train.batch_gpu=8", "train.batch_gpu=4"])
def test_every_real_image_is_scored_with_its_own_caption_and_is_fake_with_another(pieces: str):
    state, batch = state_of(pieces), batch_of(COLOURS)
    seen = watch(state)
    train(state, repeat(batch), lambda _: None)
    shown = triples(seen, state, batch)
    wrong = [(n, (n - 1) % BATCH) for n in range(BATCH)]
    expected = [(f"photo {n}", n, "real") for n in range(BATCH)]
    expected += [(f"photo {n}", other, "fake") for n, other in wrong]
    expected += [("drawing", n, "fake") for n in range(BATCH)] * 2  # with its own caption, and with another's
    assert sorted(shown) == sorted(expected)


def test_an_equal_caption_is_never_a_wrong_one():
    captions = ("red", "red", "blue", "blue", "red", "pink", "pink", "pink")
    state, batch = state_of(), batch_of(captions)
    seen = watch(state)
    train(state, repeat(batch), lambda _: None)
    fakes = [
        (name, c) for name, c, label in triples(seen, state, batch) if name != "drawing" and label == "fake"
    ]
    assert (
        len(fakes) == 4
    )  # blue after red, red after blue, pink after red, and the first red, after the last pink
    for name, caption in fakes:
        assert captions[int(name.removeprefix("photo "))] != captions[caption]


@pytest.mark.parametrize("term", [logistic_real, logistic_fake, logistic_generator])
@pytest.mark.parametrize("size", [-1e4, -88.0, 88.0, 1e4])
def test_a_certain_discriminator_gives_finite_terms_and_gradients(term: Any, size: float):
    logits = torch.full((1, 1, 2, 4), size, requires_grad=True)
    loss = weigh(Verdicts([logits]), term, full=1.0, early=1.0, vision=0.0)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_weight_decay_reaches_the_optimiser_and_matrices_and_filters_only():
    state = state_of("optim.D={weight_decay: 1.0e-5, attention_weight_decay: 0.01}")
    names = {id(p): name for name, p in state.params["D"].items()}
    found = {
        names[id(p)]: group["weight_decay"]
        for group in state.optimizers["D"].param_groups
        for p in group["params"]
    }
    assert set(found) == set(state.params["D"])
    for name, decay in found.items():
        matrix = state.params["D"][name].ndim > 1
        assert decay == (0 if not matrix else 0.01 if "attention" in name else 1e-5), name
    assert {group["weight_decay"] for group in state.optimizers["G"].param_groups} == {0}


def test_d_is_frozen_in_gs_phase_and_g_draws_without_a_graph_in_ds():
    state = state_of()
    D: Any = state.networks["D"]
    features, asked = D.features, []

    def see(pyramid: list[Tensor], *, kinds: int = 1) -> Any:
        asked.append((any(p.requires_grad for p in D.parameters()), pyramid[0].requires_grad))
        return features(pyramid, kinds=kinds)

    D.features = see
    train(state, repeat(batch_of(COLOURS)), lambda _: None)
    assert asked == [(True, False), (False, True)]  # D's phase, then G's: D trains, images have a graph


def parts(*sets: str) -> tuple[Any, list[Tensor], Condition]:
    """D, a pyramid of four images, and prompts."""
    state = state_of(*sets)
    fixed = torch.Generator().manual_seed(0)
    pyramid = pyramid_of(torch.randn(4, 3, 16, 16, generator=fixed), 3)
    return state.networks["D"].eval(), pyramid, state.condition(COLOURS[:4])


def test_every_level_goes_through_the_trunk_once_and_no_row_is_there_twice():
    D, pyramid, _ = parts()
    for depth, maps in enumerate(D.trunk(pyramid)):
        rows = maps.flatten(1)
        assert len(rows) == (depth + 1) * 4
        assert torch.pdist(rows).min() > 1e-4


def test_the_second_discriminator_reads_the_text_and_each_image_alone():
    D, pyramid, c = parts()
    with torch.no_grad():
        (right,) = D.score(D.features(pyramid), c).vision
        (wrong,) = D.score(D.features(pyramid), c.index([1, 2, 3, 0])).vision
        (first,) = D.score(D.features([img[:1] for img in pyramid]), c.index([0])).vision
    assert ((right - wrong).abs().amax(dim=2) > 1e-6).all()
    torch.testing.assert_close(right[:, :1], first, atol=1e-5, rtol=1e-5)


def test_the_real_pyramid_does_not_alias():
    checkers = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1
    for img in pyramid_of(checkers.expand(1, 3, -1, -1), 3)[1:]:
        assert img.abs().max() < 1e-6


@pytest.mark.parametrize("depth", [4, 8])
def test_the_size_of_w_does_not_depend_on_its_width(depth: int):
    sizes = []
    for width in (64, 512):
        config = GigaGANConfig(
            z_dim=width, w_dim=width, text=TextLayersConfig(width=width, depth=0), mapping_layers=depth
        )
        torch.manual_seed(0)
        text = Text(torch.zeros(64, 0, width), torch.zeros(64, 0, dtype=torch.bool), torch.randn(64, width))
        with torch.no_grad():
            sizes.append(float(Mapping(config, 1).w(torch.randn(64, width), text).std()))
    assert 0.5 < sizes[1] / sizes[0] < 2  # draws of 64 x 64 weights vary; the fault's factor is 23
    assert 0.5 < sizes[1] < 2


@pytest.mark.parametrize("layers", [1, 3])
def test_the_depth_of_predictors_is_as_told(layers: int):
    config = tiny_recipe(*GIGAGAN, f"discriminator.predictor_layers={layers}").discriminator
    predictors = build_discriminator(config).predictors.values()
    assert {len(predictor.layers) for predictor in predictors} == {layers}


def test_everything_that_the_package_names_can_be_imported_at_once():
    found: dict[str, Any] = {}
    exec("from t2igan import *", found)
    assert {"Condition", "TextToImage", "Upscaler", "load"} <= set(found)
