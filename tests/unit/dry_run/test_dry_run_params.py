"""Parameter counts of a stage, against the table of the StyleGAN-T specification (section 13)."""

from __future__ import annotations

import pytest
from torch._subclasses.fake_tensor import FakeTensorMode

from t2igan.dry_run.params import Block, blocks_of
from t2igan.dry_run.probe import ProbedState
from t2igan.dry_run.stand_in import fake_state
from t2igan.dry_run.weightless import without_weights
from t2igan.recipe.load import load_recipe

# Networks of which the generator's parameters do not depend.
LIGHT = (
    "conditioner={kind: hashing, dim: 768}",
    "discriminator.backbone={kind: random_conv, image_size: 32, channels: [8]}",
    "loss={kind: projected_gan}",
    "metrics=null",
)
# recipe, px: synthesis, with mapping
COUNTS = {
    ("lite", 64): (74_548_515, 74_556_835),
    ("lite", 256): (85_694_899, 85_703_219),
    ("lite", 512): (87_036_539, 87_044_859),
    ("full", 64): (975_547_691, 975_556_011),
    ("full", 256): (1_016_428_351, 1_016_436_671),
    ("full", 512): (1_020_489_289, 1_020_497_609),
}
FREEZE64 = {
    ("lite", 256): 16_270_492,
    ("lite", 512): 17_612_132,
    ("full", 256): 58_815_008,
    ("full", 512): 62_875_946,
}


def blocks(name: str, stage: str, *sets: str) -> dict[str, Block]:
    """Rows of the table of a recipe with one stage."""
    recipe = load_recipe(name, [f"stages=[{{kimg: 1, {stage}}}]", *sets])
    state = fake_state(without_weights(recipe), 0, FakeTensorMode(allow_non_fake_inputs=True))
    return blocks_of(ProbedState(**vars(state)))


def total(found: dict[str, Block], beginning: str) -> int:
    return sum(block.total for name, block in found.items() if name.startswith(beginning))


@pytest.mark.parametrize(("name", "resolution"), COUNTS)
def test_generators_have_the_papers_number_of_parameters(name: str, resolution: int):
    found = blocks(name, f"resolution: {resolution}", *LIGHT)
    assert (total(found, "G synthesis"), total(found, "G ")) == COUNTS[name, resolution]
    assert all(block.trained == block.total for row, block in found.items() if row.startswith("G "))


@pytest.mark.parametrize(("name", "resolution"), FREEZE64)
def test_freezing_up_to_64_px_leaves_the_official_number_to_train(name: str, resolution: int):
    found = blocks(name, f"resolution: {resolution}, freeze_up_to: 64", *LIGHT)
    trained = sum(block.trained for row, block in found.items() if row.startswith("G "))
    assert trained == FREEZE64[name, resolution]
    assert total(found, "G ") == COUNTS[name, resolution][1]


def test_a_row_of_a_block_without_residual_layers_is_a_sum_by_hand():
    found = blocks("smoke", "resolution: 16", "generator.num_res_blocks=0", "generator.noise=false")
    w_dim, c = 32 + 64, 64
    rgb = 3 * c + 3 + 3 * c * (w_dim + 1)  # weight, bias, style
    assert found["G synthesis.b8"].total == c * c + 4 * (w_dim + 1) + rgb
    assert found["G synthesis.b16"].total == 9 * c * c + c + 3 * c * (w_dim + 1) + rgb
    assert found["G mapping"].total == 2 * (32 * 32 + 32)


def test_a_small_clips_rows_are_its_towers():
    found = blocks_of(
        ProbedState(
            **vars(fake_state(load_recipe("shapes_clip"), 0, FakeTensorMode(allow_non_fake_inputs=True)))
        )
    )
    assert list(found) == ["E logit_scale", "E image", "E text"]
    assert found["E logit_scale"] == Block(total=1, trained=1)
