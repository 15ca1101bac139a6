from __future__ import annotations

import pytest
import torch

from t2igan.features.config import RandomConvConfig
from t2igan.models import build_discriminator
from t2igan.models.common.heads import Head
from t2igan.models.common.projected import NUM_UNIFORMS, ProjectedDiscriminator
from t2igan.models.config import ProjectedConfig
from t2igan.types import Condition

SMALL = ProjectedConfig(
    backbone=RandomConvConfig(image_size=16, channels=(8, 12)), c_dim=6, cmap_dim=4, head="maps", p_crop=0.0
)


def build(**changes) -> ProjectedDiscriminator:
    torch.manual_seed(0)
    return build_discriminator(SMALL.model_copy(update=changes))


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("head", ["tokens", "maps"])
@pytest.mark.parametrize("c_dim", [0, 6])
def test_there_is_one_logit_a_position_of_every_feature_map(head, c_dim):
    D = build(head=head, c_dim=c_dim)
    c = Condition(draw(9, 6)) if c_dim else Condition()
    logits = D(draw(9, 3, 16, 16), c, draw(9, NUM_UNIFORMS))
    assert logits.shape == (9, 8 * 8 + 4 * 4)
    assert logits.dtype == torch.float32


def test_calling_it_is_features_then_project_then_score():
    D, img, c, u = build(), draw(9, 3, 16, 16), Condition(draw(9, 6)), draw(9, NUM_UNIFORMS, seed=1)
    maps = D.project(D.features(img, u))
    assert [m.shape for m in maps] == [(9, 4, 64), (9, 4, 16)]
    assert torch.equal(D.score(maps, c), D(img, c, u))


def test_another_caption_changes_the_score_of_the_same_projection():
    D, img = build(), draw(4, 3, 16, 16)
    maps = D.project(D.features(img))
    matching, other = Condition(draw(4, 6)), Condition(draw(4, 6, seed=1))
    assert not torch.equal(D.score(maps, matching), D.score(maps, other))
    assert torch.equal(D.score(maps, other), D(img, other))


def test_text_gain_multiplies_the_caption():
    loud, plain, img, c = build(text_gain=3.0), build(), draw(4, 3, 16, 16), Condition(draw(4, 6))
    assert c.embed is not None
    torch.testing.assert_close(loud(img, c), plain(img, Condition(c.embed * 3)))


def test_only_heads_are_trained_and_the_image_gets_a_gradient():
    D, img = build().train(), draw(4, 3, 16, 16).requires_grad_()
    D(img, Condition(draw(4, 6))).sum().backward()
    assert img.grad is not None
    assert img.grad.any()
    assert all(p.grad is None for p in D.backbone.parameters())
    trained = {name for name, p in D.named_parameters() if p.requires_grad}
    assert all(name.startswith("heads.") for name in trained)
    assert len(D.trainable_parameters()) == len(trained)
    assert not D.backbone.training


def test_heads_state_restores_the_discriminator_without_its_frozen_network():
    D, other = build(), build_discriminator(SMALL)
    assert not any(name.startswith("backbone") for name in D.heads_state())
    other.load_state_dict(D.heads_state(), strict=False)
    img, c = draw(4, 3, 16, 16), Condition(draw(4, 6))
    assert torch.equal(D(img, c), other(img, c))


def test_spectral_norm_advances_once_a_step_when_told_to():
    D, img, c = build(spectral_norm_updates="per_step").train(), draw(4, 3, 16, 16), Condition(draw(4, 6))
    before = {name: value.clone() for name, value in D.named_buffers() if name.endswith("weight_u")}
    D(img, c)
    assert all(torch.equal(value, D.get_buffer(name)) for name, value in before.items())
    D.advance_spectral_norm()
    assert not any(torch.equal(value, D.get_buffer(name)) for name, value in before.items())


def test_spectral_norm_per_call_ignores_the_steps():
    D = build(spectral_norm_updates="per_call").train()
    before = {name: value.clone() for name, value in D.named_buffers() if name.endswith("weight_u")}
    D.advance_spectral_norm()
    assert all(torch.equal(value, D.get_buffer(name)) for name, value in before.items())


def test_a_batch_in_pieces_of_the_virtual_batch_scores_the_same():
    D, img, c, u = build(), draw(16, 3, 16, 16), Condition(draw(16, 6)), draw(16, NUM_UNIFORMS, seed=1)
    whole = D(img, c, u)
    pieces = [D(img[i : i + 8], c.index(slice(i, i + 8)), u[i : i + 8]) for i in (0, 8)]
    torch.testing.assert_close(whole, torch.cat(pieces))


def test_larger_images_are_resized_by_area():
    D, img = build(), draw(4, 3, 32, 32)
    small = torch.nn.functional.avg_pool2d(img, 2)
    for found, expected in zip(D.features(img), D.features(small), strict=True):
        torch.testing.assert_close(found, expected)


def test_the_coin_in_row_zero_decides_whether_all_samples_are_cropped_at_their_own_place():
    D = build(p_crop=0.5, augment="none")
    img, u = draw(3, 3, 40, 40), draw(3, NUM_UNIFORMS, seed=1)
    u[:, 8:] = torch.tensor([[0.0, 0.999], [0.5, 0.0], [0.999, 0.5]])
    u[0, 7] = 0.4
    corners = [(0, 24), (12, 0), (24, 12)]
    crops = torch.stack([img[i, :, y : y + 16, x : x + 16] for i, (y, x) in enumerate(corners)])
    for found, expected in zip(D.features(img, u), D.features(crops), strict=True):
        torch.testing.assert_close(found, expected)
    u[0, 7] = 0.6
    for found, expected in zip(D.features(img, u), D.features(img), strict=True):
        torch.testing.assert_close(found, expected)


def test_a_given_box_crops_every_image():
    D, img = build(), draw(3, 3, 40, 40)
    for found, expected in zip(
        D.features(img, crop_box=(3, 5, 16, 16)), D.features(img[:, :, 3:19, 5:21]), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_augmentation_happens_exactly_when_numbers_are_given():
    D, img = build(augment="color,translation,cutout"), draw(3, 3, 16, 16)
    u = draw(3, NUM_UNIFORMS, seed=1)
    assert not torch.equal(D.features(img, u)[0], D.features(img)[0])
    assert torch.equal(build(augment="none").features(img, u)[0], D.features(img)[0])


def test_bfloat16_autocast_stays_near_float32():
    D, img, c = build(), draw(8, 3, 16, 16), Condition(draw(8, 6))
    exact = D(img, c)
    with torch.autocast("cpu", torch.bfloat16):
        rough = D(img, c)
    assert (rough - exact).abs().mean() < 0.03 * exact.abs().mean()  # 8 bits of mantissa, two normalisations


def test_maps_head_looks_up_and_down_and_tokens_head_along_the_row():
    torch.manual_seed(0)
    c, x = torch.randn(1, 6), torch.randn(1, 8, 12, 12).requires_grad_()
    for kind, reach in (("maps", {(-1, 0), (0, 1)}), ("tokens", {(0, -4), (0, 4)})):
        head = Head(8, 6, kind=kind)
        for norm in (head.main[0][1], head.main[1].fn[1]):
            norm.forward = lambda x: x  # statistics would couple every position
        logit = head(x, c)[0, 0].reshape(12, 12)[6, 6]
        (grad,) = torch.autograd.grad(logit, x)
        touched = {(y - 6, x - 6) for y, x in grad.abs().sum(dim=(0, 1)).nonzero().tolist()}
        assert reach <= touched
        assert (2, 0) not in touched
