"""GigaGAN's networks have the sizes that the paper states."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from t2igan.models.gigagan.config import GigaGANConfig, GigaGANDiscriminatorConfig
from t2igan.models.gigagan.discriminator import Discriminator
from t2igan.models.gigagan.generator import Generator
from t2igan.recipe.load import load_recipe


def millions(network: torch.nn.Module) -> float:
    return sum(p.numel() for p in network.parameters()) / 1e6


def test_the_default_generator_has_the_papers_652_5_million_parameters():
    with torch.device("meta"):
        G = Generator(GigaGANConfig())
    assert millions(G) == pytest.approx(652.5, rel=5e-4)
    assert millions(G.text) == pytest.approx(51.1, abs=0.1)
    assert millions(G.map_network) == pytest.approx(4.3, abs=0.05)


def test_the_default_discriminator_is_within_one_percent_of_the_papers_381_4_million():
    with torch.device("meta"):
        D = Discriminator(GigaGANDiscriminatorConfig())
    assert millions(D) == pytest.approx(381.4, rel=0.01)


# Rungs of the paper's Table 1 as changes to gigagan_small, and its counts in millions: tuned, attention, adaptive, deeper.
RUNGS = (
    (
        {"blocks": (1,), "kernels": (1,), "attention": {}, "text": {"width": 512, "depth": 0, "heads": 8}},
        26.2,
    ),
    ({"blocks": (1,), "kernels": (1,)}, 59.0),
    ({"blocks": (1,)}, 80.2),
    ({}, 161.9),
)


@pytest.mark.parametrize(("change", "published"), RUNGS)
def test_gigagan_small_and_the_rungs_below_it_have_the_sizes_of_table_1(change: dict, published: float):
    config = load_recipe("gigagan_small").generator.model_dump() | change  # type: ignore[union-attr]
    with torch.device("meta"):
        G = Generator(GigaGANConfig.model_validate(config))
    assert millions(G) == pytest.approx(published, rel=0.0125)


@pytest.mark.parametrize("config", [GigaGANConfig, GigaGANDiscriminatorConfig])
def test_a_base_that_leaves_no_channel_at_some_size_is_refused(config: Any):
    with pytest.raises(ValidationError, match="channel_base 16 leaves no channel at 64 px"):
        config(channel_base=16, attention={64: 1})
