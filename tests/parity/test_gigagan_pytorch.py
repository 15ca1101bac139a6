"""Parts of gigagan-pytorch, its whole generator and discriminator, and its losses equal the package's own numbers."""

from __future__ import annotations

import pytest
import torch
from gigagan_fixtures import Case, assert_near, load_case
from gigagan_pytorch_discriminator import judge
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.convert.gigagan_pytorch import foreign_name, load_generator
from t2igan.losses.adversarial import hinge_fake, hinge_generator, hinge_real, logistic_real
from t2igan.losses.contrastive import soft_cross_entropy
from t2igan.losses.penalties import r1_penalty
from t2igan.models.gigagan.attention import to_maps, to_pixels
from t2igan.models.gigagan.text import Text
from t2igan.models.gigagan_pytorch.attention import CrossAttention, CrossBlock, SelfAttention, SelfBlock
from t2igan.models.gigagan_pytorch.config import GigaGANPytorchConfig, HeadsConfig
from t2igan.models.gigagan_pytorch.generator import Mapping
from t2igan.models.gigagan_pytorch.text import Transformer
from t2igan.ops.attention import dot_attention, l2_attention

GRAD = 1e-4
PLACES = {  # of a module in the generator, whose names are the package's -> that of the module alone
    SelfAttention: ("sizes.0.self_block.attention.", "layers.0.3.attn."),
    SelfBlock: ("sizes.0.self_block.", "layers.0.3."),
    CrossAttention: ("sizes.0.cross_block.attention.", "layers.0.4.attn."),
    CrossBlock: ("sizes.0.cross_block.", "layers.0.4."),
    Transformer: ("text.transformer.", "text_encoder.transformer."),
    Mapping: ("map_network.", "style_network."),
}


def theirs(module: nn.Module) -> dict[str, str]:
    """Our name -> the package's, of every tensor of a module."""
    ours, package = PLACES[type(module)]
    return {name: foreign_name(ours + name).removeprefix(package) for name in module.state_dict()}


def loaded(module: nn.Module, case: Case) -> nn.Module:
    names = theirs(module)
    assert set(names.values()) == set(case.weights)
    shapes = {name: value.shape for name, value in module.state_dict().items()}
    module.load_state_dict({name: case.weights[key].reshape(shapes[name]) for name, key in names.items()})
    return module


def check_gradients(module: nn.Module, case: Case, y: Tensor, inputs: dict[str, Tensor]) -> None:
    """All that the file has."""
    y.backward(case.inputs["cotangent"])
    found = dict(inputs)
    names = theirs(module)
    found |= {f"weights/{names[name]}": value for name, value in module.named_parameters()}
    wanted = {k.removeprefix("grad/"): v for k, v in case.outputs.items() if k.startswith("grad/")}
    assert set(found) == set(wanted)
    for name, value in found.items():
        assert value.grad is not None
        assert_near(value.grad, wanted[name], GRAD)


def leaf(case: Case, name: str) -> Tensor:
    return case.inputs[name].clone().requires_grad_()


@pytest.mark.parametrize("name", ["l2_self_attention", "dot_self_attention"])
def test_self_attention_its_weights_and_its_gradients_are_the_packages(name: str):
    case = load_case(name)
    meta, fmap = case.meta, leaf(case, "fmap")
    logits = "dot" if meta["dot_product"] else "l2"
    module = SelfAttention(meta["dim"], heads=meta["heads"], head_dim=meta["dim_head"], logits=logits)
    loaded(module, case)
    y = to_maps(module(to_pixels(fmap)), fmap)
    assert_near(y, case.outputs["fmap"])
    q, k, _ = module.queries_keys_values(to_pixels(fmap))
    eye = torch.eye(k.shape[2]).expand(*k.shape[:2], -1, -1)  # as values, it shows the weights themselves
    scale = q.shape[3] ** -0.5
    weights = dot_attention(q, k, eye) if logits == "dot" else l2_attention(q, k, eye, scale=scale)
    assert_near(weights, case.outputs["attention"])
    check_gradients(module, case, y, {"fmap": fmap})


def test_a_block_of_self_attention_and_its_gradients_are_the_packages():
    case = load_case("l2_self_attention_block")
    meta, fmap = case.meta, leaf(case, "fmap")
    shape = HeadsConfig(heads=meta["heads"], head_dim=meta["dim_head"])
    module = loaded(SelfBlock(meta["dim"], shape, "l2"), case)
    y = module(fmap)
    assert_near(y, case.outputs["fmap"])
    check_gradients(module, case, y, {"fmap": fmap})


def test_cross_attention_and_its_gradients_are_the_packages():
    case = load_case("cross_attention")
    meta, fmap, context = case.meta, leaf(case, "fmap"), leaf(case, "context")
    module = CrossAttention(meta["dim"], meta["dim_context"], heads=meta["heads"], head_dim=meta["dim_head"])
    loaded(module, case)
    y = to_maps(module(to_pixels(fmap), context, case.inputs["mask"].bool()), fmap)
    assert_near(y, case.outputs["fmap"])
    check_gradients(module, case, y, {"fmap": fmap, "context": context})


def test_a_block_of_cross_attention_and_its_gradients_are_the_packages():
    case = load_case("cross_attention_block")
    meta, fmap, context = case.meta, leaf(case, "fmap"), leaf(case, "context")
    shape = HeadsConfig(heads=meta["heads"], head_dim=meta["dim_head"])
    module = loaded(CrossBlock(meta["dim"], meta["dim_context"], shape), case)
    y = module(fmap, Text(context, case.inputs["mask"].bool(), context[:, 0]))
    assert_near(y, case.outputs["fmap"])
    check_gradients(module, case, y, {"fmap": fmap, "context": context})


def test_text_layers_are_the_packages():
    case = load_case("text_transformer")
    meta = case.meta
    module = Transformer(meta["dim"], depth=meta["depth"], heads=meta["heads"], head_dim=meta["dim_head"])
    y = loaded(module, case)(case.inputs["tokens"], case.inputs["mask"].bool())
    assert_near(y, case.outputs["tokens"])


def test_the_mapping_network_is_the_packages():
    case = load_case("mapping_network")
    meta = case.meta
    config = GigaGANPytorchConfig(
        w_dim=meta["dim"],
        text_width=meta["dim_text_latent"],
        mapping_layers=meta["depth"],
        mapping_lr_multiplier=meta["lr_mul"],
    )
    w = loaded(Mapping(config), case)(case.inputs["z"], case.inputs["t_global"])
    assert_near(w, case.outputs["w"])


def test_the_generator_draws_the_packages_images_at_every_size():
    case = load_case("lucid_generator_tiny")
    G = load_generator({f"weights/{name}": value for name, value in case.weights.items()}, case.meta)
    convs = [conv for size in G.sizes for conv in (size.conv0, size.conv1)]
    for number, conv in enumerate(convs):
        conv.noise_const = case.inputs[f"layer_noise/{number}"]
    text = Text(case.inputs["t_local"], case.inputs["mask"].bool(), case.inputs["t_global"])
    with torch.no_grad():
        images = G.pyramid(G.styles(G.mapping(case.inputs["z"], text)), text)
    assert_near((images[0] + 1) / 2, case.outputs["rgb"])
    for level, img in enumerate(reversed(images)):
        assert_near((img + 1) / 2, case.outputs[f"rgbs/{level}"])


def test_the_discriminator_judges_as_the_package_does():
    case = load_case("lucid_discriminator_tiny")
    with torch.no_grad():
        logits, maps = judge(
            case.weights, case.inputs["image"], {8: case.inputs["rgbs/0"]}, case.inputs["t_global"]
        )
    assert_near(logits, case.outputs["logits"])
    (found,) = maps
    assert_near(found, case.outputs["multiscale/0"])


# The package's verdicts are high for fakes, ours for real images: with the other sign its terms are ours.
TERMS = {
    "d_hinge": lambda t: hinge_real(-t["logits_real"]) + hinge_fake(-t["logits_fake"]),
    "g_hinge": lambda t: hinge_generator(-t["logits_fake"]),
    "matching": lambda t: (
        logistic_real(t["logits_real_mismatched"]) + logistic_real(t["logits_fake_mismatched"])
    ),
    "clip_contrastive": lambda t: symmetric(
        t["clip_image_embeds"] @ t["clip_text_embeds"].T * t["clip_logit_scale_log"].detach().exp()
    ),
}


def symmetric(logits: Tensor) -> Tensor:
    targets = torch.eye(len(logits))
    return (soft_cross_entropy(logits, targets) + soft_cross_entropy(logits.T, targets)) / 2


@pytest.mark.parametrize("key", TERMS)
def test_with_the_sign_turned_its_terms_and_their_gradients_are_ours(key: str):
    case = load_case("losses")
    leaves = {name: leaf(case, name) for name, v in case.inputs.items() if v.is_floating_point()}
    term = TERMS[key](leaves).mean()
    assert_near(term, case.outputs[f"lucid/{key}"])
    term.backward()
    known = [name for name in leaves if f"lucid/{key}/grad/{name}" in case.outputs]
    assert known
    for name in known:
        grad = leaves[name].grad
        assert grad is not None
        assert_near(grad, case.outputs[f"lucid/{key}/grad/{name}"], GRAD)


def test_its_gradient_penalty_is_ten_times_ours_of_weighed_verdicts():
    case = load_case("losses")
    w = {name: value.clone().requires_grad_() for name, value in case.weights.items()}
    images = leaf(case, "gp_images")
    x = F.leaky_relu(F.conv2d(images, w["c1.weight"], w["c1.bias"], padding=1), 0.2)
    x = F.leaky_relu(F.conv2d(F.avg_pool2d(x, 2), w["c2.weight"], w["c2.bias"], padding=1), 0.2)
    one = F.linear(x.mean(dim=(2, 3)), w["h1.weight"], w["h1.bias"])
    pixels = F.conv2d(x, w["h2.weight"], w["h2.bias"])
    assert_near(one, case.outputs["tiny_d/logit"])
    assert_near(pixels, case.outputs["tiny_d/map"])
    penalty = 10 * r1_penalty(one.sum() + 0.1 * pixels.sum(), [images]).mean()
    assert_near(penalty, case.outputs["lucid/gradient_penalty"])
    penalty.backward()
    at = "lucid/gradient_penalty/grad/weights/"
    for name in (key.removeprefix(at) for key in case.outputs if key.startswith(at)):
        grad = w[name].grad
        if grad is not None:  # a bias behind the last activation is none of the gradient's
            assert_near(grad, case.outputs[at + name], GRAD)
