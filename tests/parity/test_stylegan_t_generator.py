"""The generator's parts and whole equal the official numbers (tests/fixtures/stylegan_t)."""

from __future__ import annotations

import json

import pytest
import torch
from stylegan_t_fixtures import FOLDER, below, error, grad_norm_error, load_case

from t2igan.convert.stylegan_t import load_generator
from t2igan.models import build_generator
from t2igan.models.common.mapping import Mapping
from t2igan.models.stylegan_t.config import StyleGANTConfig
from t2igan.models.stylegan_t.fourier import FourierInput
from t2igan.models.stylegan_t.generator import Generator
from t2igan.models.stylegan_t.layers import SynthesisLayer, ToRGB
from t2igan.models.stylegan_t.synthesis import Synthesis
from t2igan.ops.modulated_conv import modulated_conv2d
from t2igan.ops.upfirdn2d import resample_filter, upsample2d
from t2igan.types import Condition

FORWARD = 1e-4  # of the largest value, from the fixtures' README; 4e-6 is reached
GRADIENT = 1e-3
# Which w a layer reads, at 32 px with two residual blocks: toRGB has that of the convolution after it.
OFFICIAL_W = {
    "b8.input": 0,
    **{f"b8.convs1.{i}": 1 + i for i in range(4)},
    "b8.torgb": 5,
    "b16.conv0": 5,
    **{f"b16.convs1.{i}": 6 + i for i in range(4)},
    "b16.torgb": 10,
    "b32.conv0": 10,
    **{f"b32.convs1.{i}": 11 + i for i in range(4)},
    "b32.torgb": 15,
}


def mapping_case() -> tuple[Mapping, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    weights, inputs, outputs, meta = load_case("mapping")
    mapping = Mapping(meta["z_dim"], meta["c_dim"], num_ws=meta["num_ws"], average_updates="per_call")
    mapping.load_state_dict(weights)
    return mapping, inputs, outputs


@pytest.mark.parametrize("psi", [1.0, 0.5, 0.0, 1.3])
def test_mapping_equals_the_reference_at_every_truncation(psi):
    mapping, inputs, outputs = mapping_case()
    ws = mapping.eval()(inputs["z"], Condition(inputs["c"]), psi=psi)
    assert ws.shape == (5, 4, 88)
    for i in range(4):
        assert error(ws[:, i : i + 1], outputs[f"ws_psi{psi}"]) < FORWARD


def test_mapping_moves_its_average_before_truncation_in_training():
    mapping, inputs, outputs = mapping_case()
    ws = mapping.train()(inputs["z"], Condition(inputs["c"]), psi=0.5)
    assert error(mapping.x_avg, outputs["train_x_avg_after"]) < FORWARD
    assert error(ws[:, :1], outputs["train_ws_psi0.5"]) < FORWARD


def test_mapping_gradients_equal_the_reference():
    mapping, inputs, outputs = mapping_case()
    z = inputs["z"].requires_grad_()
    (mapping.eval()(z, Condition(inputs["c"]))[:, 0] * inputs["probe"]).sum().backward()
    assert z.grad is not None
    assert error(z.grad, outputs["grad_z"]) < GRADIENT
    for name, parameter in mapping.named_parameters():
        assert parameter.grad is not None
        assert error(parameter.grad, outputs[f"grad/{name}"]) < GRADIENT


@pytest.mark.parametrize(("noise_mode", "gain"), [("const", "0.7071"), ("none", "1.0000")])
@pytest.mark.parametrize("name", ["conv", "up", "res"])
def test_synthesis_layer_equals_the_reference(name, noise_mode, gain):
    weights, inputs, outputs, _ = load_case("layers")
    layer = synthesis_layer(below(weights, name), up=2 if name == "up" else 1, is_residual=name == "res")
    style = layer.affine(inputs["w"])
    assert error(style, outputs[f"{name}_styles"]) < FORWARD
    exact_gain = 0.5**0.5 if gain == "0.7071" else 1.0
    y = layer(inputs[f"{name}_x"], style, noise_mode=noise_mode, gain=exact_gain)
    assert error(y, outputs[f"{name}_{noise_mode}_gain{gain}"]) < FORWARD


@pytest.mark.parametrize(("gain", "key"), [(1.0, "1"), (0.5**0.5, "0.7071")])
def test_synthesis_layer_clamps_at_256_times_gain(gain, key):
    weights, inputs, outputs, _ = load_case("layers")
    layer = synthesis_layer(below(weights, "clamp"))
    y = layer(inputs["clamp_x"], layer.affine(inputs["w"]), noise_mode="none", gain=gain)
    assert error(y, outputs[f"clamp_none_gain{key}"]) < FORWARD
    assert y.abs().max().item() == pytest.approx(256 * gain)


def synthesis_layer(weights: dict[str, torch.Tensor], **kinds) -> SynthesisLayer:
    out_channels, in_channels = weights["weight"].shape[:2]
    resolution = len(weights["noise_const"])
    layer = SynthesisLayer(in_channels, out_channels, w_dim=20, resolution=resolution, **kinds)
    layer.load_state_dict(weights)
    return layer


def test_to_rgb_equals_the_reference():
    weights, inputs, outputs, _ = load_case("layers")
    to_rgb = ToRGB(12, w_dim=20)
    to_rgb.load_state_dict(below(weights, "torgb"))
    assert error(to_rgb(inputs["torgb_x"], to_rgb.style(inputs["w"])), outputs["torgb"]) < FORWARD


@pytest.mark.parametrize("transform", ["identity", "scaled"])
def test_fourier_input_equals_the_reference(transform):
    weights, inputs, outputs, _ = load_case("layers")
    fourier = FourierInput(20, 16)
    fourier.load_state_dict(below(weights, "fourier"))
    if transform == "identity":
        fourier.transform.copy_(torch.eye(3))
    assert error(fourier(fourier.affine(inputs["w"])), outputs[f"fourier_{transform}"]) < FORWARD


def test_image_upsampling_equals_the_reference():
    _, inputs, outputs, _ = load_case("layers")
    assert error(resample_filter(), outputs["resample_filter"]) == 0
    assert error(upsample2d(inputs["up_img"], resample_filter()), outputs["up_img"]) < FORWARD


def test_half_precision_convolution_of_large_values_stays_near_float32():
    _, inputs, outputs, _ = load_case("layers")
    y = modulated_conv2d(inputs["half_x"].half(), inputs["half_w"], inputs["half_s"])
    assert y.dtype == torch.float16
    for key in ("half_demod_fp32_truth", "half_demod_unfused", "half_demod_fused"):
        assert error(y.float(), outputs[key]) < 2e-3  # half precision, from the README


def synthesis_case() -> tuple[Synthesis, dict[str, torch.Tensor], dict[str, torch.Tensor], dict]:
    weights, inputs, outputs, meta = load_case("synthesis_32")
    config = StyleGANTConfig(
        z_dim=16,
        c_dim=24,
        resolution=32,
        channel_base=meta["channel_base"],
        channel_max=meta["channel_max"],
        num_res_blocks=meta["num_res_blocks"],
    )
    synthesis = Synthesis(config)
    synthesis.load_state_dict(weights)
    return synthesis, inputs, outputs, meta


@pytest.mark.parametrize("noise_mode", ["const", "none"])
def test_synthesis_equals_the_reference_with_a_different_w_a_layer(noise_mode):
    synthesis, inputs, outputs, meta = synthesis_case()
    assert synthesis.num_ws == meta["num_ws"]
    img = synthesis(synthesis.styles(inputs["ws"]), noise_mode=noise_mode)
    assert error(img, outputs[f"img_{noise_mode}"]) < FORWARD


def test_synthesis_trunk_and_image_equal_the_reference_after_every_block():
    synthesis, inputs, outputs, _ = synthesis_case()
    styles = synthesis.styles(inputs["ws"])
    x, img = synthesis.blocks()[0].input(styles["b8.input"]), None
    assert error(x, outputs["fourier_input"]) < FORWARD
    for block in synthesis.blocks():
        x, img = block(x, img, styles, noise_mode="none")
        assert error(img, outputs[f"{block.name}_img_none"]) < FORWARD
        if block.name != "b32":
            assert error(x, outputs[f"{block.name}_x_none"]) < FORWARD


def test_synthesis_gradients_equal_the_reference():
    synthesis, inputs, outputs, meta = synthesis_case()
    ws = inputs["ws"].requires_grad_()
    loss = (synthesis(synthesis.styles(ws)) * inputs["probe"]).mean()
    loss.backward()
    assert error(loss[None], outputs["probe_loss"]) < FORWARD
    assert ws.grad is not None
    assert error(ws.grad, outputs["grad_ws"]) < GRADIENT
    assert grad_norm_error(synthesis, meta["grad_norms"]) < GRADIENT


def test_every_layer_reads_the_official_w():
    weights, _, _, meta = load_case("generator_32")
    synthesis = load_generator(weights, meta).synthesis
    ws = torch.randn(2, synthesis.num_ws, meta["w_dim"], generator=torch.Generator().manual_seed(0))
    styles = synthesis.styles(ws)
    assert list(styles) == list(OFFICIAL_W)
    for name, number in OFFICIAL_W.items():
        layer = synthesis.get_submodule(name)
        alone = layer.style(ws[:, number]) if isinstance(layer, ToRGB) else layer.affine(ws[:, number])  # type: ignore
        torch.testing.assert_close(styles[name], alone)


@pytest.mark.parametrize("psi", [1.0, 0.6])
def test_generator_equals_the_reference(psi):
    weights, inputs, outputs, meta = load_case("generator_32")
    generator = load_generator(weights, meta)
    img = generator(inputs["z"], Condition(inputs["c"]), psi=psi)
    assert error(img, outputs[f"img_psi{psi}"]) < FORWARD
    if psi == 1:
        pixels = (img.permute(0, 2, 3, 1) * 127.5 + 128).clamp(0, 255).to(torch.uint8)
        assert (pixels.int() - outputs["uint8_psi1.0"].int()).abs().max() <= 1  # a value may lie on an edge


def test_generator_gradients_equal_the_reference():
    weights, inputs, _, meta = load_case("generator_32")
    generator = load_generator(weights, meta)
    generator(inputs["z"], Condition(inputs["c"])).square().mean().backward()
    assert grad_norm_error(generator, meta["grad_norms"]) < GRADIENT


@pytest.mark.parametrize(
    ("config", "count", "num_ws"),
    [
        (StyleGANTConfig(resolution=64), 74_556_835, 21),
        (StyleGANTConfig(resolution=256), 85_703_219, 31),
        (
            StyleGANTConfig(resolution=512, channel_base=65536, channel_max=2048, num_res_blocks=3),
            1_020_497_609,
            50,
        ),
    ],
    ids=["lite-64", "lite-256", "full-512"],
)
def test_parameter_count_is_the_official_one(config, count, num_ws):
    with torch.device("meta"):
        generator = build_generator(config)
    assert sum(p.numel() for p in generator.parameters()) == count
    assert generator.num_ws == num_ws


@pytest.mark.parametrize(("mode", "freeze_up_to"), [("all", None), ("freeze64", 64)])
def test_the_trained_parameters_are_those_of_the_official_train_modes(mode: str, freeze_up_to: int | None):
    official = json.loads((FOLDER / "trainable_params.json").read_text())[mode]["trainable"]
    config = StyleGANTConfig(
        z_dim=8, c_dim=8, resolution=128, channel_base=4096, channel_max=32, num_res_blocks=1
    )
    assert set(Generator(config).trainable_names(freeze_up_to)) == set(official)
