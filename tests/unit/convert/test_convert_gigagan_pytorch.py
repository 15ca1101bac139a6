"""Generators of gigagan-pytorch become checkpoints that draw what they drew, whatever their shape."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from convert_pickles import torch_saved, without_numbers
from safetensors.torch import save_file
from torch import Tensor

from t2igan import checkpoint, weights
from t2igan.convert.gigagan_pytorch import check_generator, foreign_name, load_generator
from t2igan.convert.gigagan_pytorch_file import convert, read_generator
from t2igan.errors import CheckpointError, UsageError
from t2igan.models import build_generator
from t2igan.models.gigagan_pytorch.config import GigaGANPytorchConfig, HeadsConfig, PortTextConfig
from t2igan.models.gigagan_pytorch.generator import Generator
from t2igan.pipeline import TextToImage
from t2igan.types import Condition

SMALL = {
    "w_dim": 12,
    "c_dim": 16,
    "text_width": 8,
    "text": PortTextConfig(depth=2, heads=2, head_dim=4),
    "mapping_layers": 2,
    "const_channels": 12,
    "channels": (16, 12, 8),
    "self_attention": (8,),
    "self_heads": HeadsConfig(heads=2, head_dim=6, widening=2),
    "cross_attention": (4, 8),
    "cross_heads": HeadsConfig(heads=8, head_dim=2),
}
PLAIN = {"c_dim": 0, "text_width": 0, "text": None, "cross_attention": ()}
SHAPES: dict[str, dict[str, Any]] = {
    "text": {},
    "text of CLIP's width": {"c_dim": 8},
    "without text": PLAIN,
    "learned doubling": {**PLAIN, "upsample": "pixel_shuffle"},
    "excitation": {**PLAIN, "excite_ahead": 2, "channels": (16, 12, 8, 8)},
    "one kernel, no attention": {**PLAIN, "kernels": 1, "self_attention": ()},
    "distances": {"logits": "l2", "kernels": 3},
}


def built(**changes: Any) -> Generator:
    """A generator in which nothing is zero."""
    torch.manual_seed(0)
    G = build_generator(GigaGANPytorchConfig(**{**SMALL, **changes})).eval()
    with torch.no_grad():
        for parameter in G.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return G


def foreign(G: Generator) -> dict[str, Tensor]:
    """Its tensors under the package's names, in the package's shapes."""
    found = {}
    for name, value in G.state_dict().items():
        if ".affine." in name:
            continue
        theirs = foreign_name(name)
        if name.endswith(".bank"):
            kernels = 1 if ".torgb." in name else G.config.kernels
            value = value.unflatten(0, (kernels, -1))
        elif re.search(r"layers\.\d+\.[34]\.", theirs) and theirs.endswith(
            ("norm.gamma", "ff.0.gamma", "weight")
        ):
            value = value[..., None, None]
        elif name.endswith("noise_strength"):
            value = value[:, None, None]
        found[theirs] = value
    affines = [conv.affine for _, conv in G.style_layers()]
    found["style_to_conv_modulations.weight"] = torch.cat([a.weight for a in affines]).detach()
    found["style_to_conv_modulations.bias"] = torch.cat([a.bias for a in affines]).detach()
    blurs = {f"layers.{i}.6.1.f": torch.tensor([1.0, 2, 1]) for i in range(len(G.config.channels) - 1)}
    return {key: value.clone() for key, value in found.items()} | (
        blurs if G.config.upsample == "blur" else {}
    )


def ask(G: Generator) -> tuple[Tensor, Condition]:
    z = torch.randn(2, G.z_dim, generator=torch.Generator().manual_seed(1))
    if not G.c_dim:
        return z, Condition(embed=torch.zeros(2, 0))
    tokens = torch.randn(2, 5, G.c_dim, generator=torch.Generator().manual_seed(2))
    return z, Condition(tokens=tokens, mask=torch.arange(5) < torch.tensor([[5], [3]]))


@pytest.mark.parametrize("shape", SHAPES)
def test_sizes_are_read_off_the_tensors(shape: str):
    G = built(**SHAPES[shape])
    found = load_generator(foreign(G), {})
    z, c = ask(G)
    with torch.no_grad():
        assert torch.equal(found(z, c), G(z, c))


def test_what_tensors_do_not_tell_is_told():
    G = built(cross_heads=HeadsConfig(heads=4, head_dim=4), mapping_lr_multiplier=0.3)
    z, c = ask(G)
    told = {"config": {"cross_attn_heads": 4, "style_network": {"lr_mul": 0.3}}}
    with torch.no_grad():
        assert torch.equal(load_generator(foreign(G), told)(z, c), G(z, c))
        assert not torch.allclose(load_generator(foreign(G), {})(z, c), G(z, c))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"layers.0.1.0.weights": None}, r"layers\.0\.1\.0\.weights is missing"),
        ({"layers.1.1.1.weight": None}, r"1 tensors missing \(layers\.1\.1\.1\.weight\)"),
        ({"layers.1.8.weight": torch.ones(2)}, r"1 tensors not known \(layers\.1\.8\.weight\)"),
        ({"init_block": torch.ones(12, 5, 4)}, "of another shape"),
        ({"style_to_conv_modulations.bias": torch.ones(7)}, "7 rows, but its convolutions need"),
        ({"layers.0.6.1.f": torch.ones(3)}, "not the blur"),
        ({"layers.0.2.weights": None, "layers.1.2.weights": None, "layers.2.2.weights": None}, "no gigagan-pytorch"),
        ({"style_network.net.0.weight": torch.ones(12, 0)}, "2 dimensions"),
        ({"layers.1.3.ff.1.weight": torch.ones(30, 12, 1, 1)}, "no multiple"),
        ({"layers.0.4.attn.to_q.weight": torch.ones(9, 16, 1, 1)}, "has not 8 heads"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_named(change: dict[str, Tensor | None], reason: str):
    tensors = foreign(built()) | change
    with pytest.raises(CheckpointError, match=reason):
        load_generator({name: value for name, value in tensors.items() if value is not None}, {})


def test_shapes_are_refused_before_any_number_is_read(tmp_path: Path):
    own = foreign(built())
    for tensors, reason in (
        (own | {"more": torch.ones(1)}, "1 tensors not known"),
        (own, "missing or compressed"),
    ):
        (tmp_path / "G.pt").write_bytes(without_numbers(torch_saved(tensors, is_zip=True)))
        with pytest.raises(CheckpointError, match=reason):
            read_generator(tmp_path / "G.pt")


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1, 1, 1, 1)])
def test_a_tensor_of_any_other_shape_is_one_line(shape: tuple[int, ...]):
    own = foreign(built())
    for name in own:
        with pytest.raises(CheckpointError) as caught:
            check_generator(own | {name: torch.empty(shape, device="meta")}, {})
        assert str(caught.value).isprintable()


def saved(folder: Path, G: Generator) -> Path:
    """A file as `GigaGAN.save` writes it: raw and averaged weights, an average's counters, a CLIP, an optimiser."""
    own, clip = foreign(G), {"text_encoder.clip.clip.logit_scale": torch.ones([])}
    average = {f"ema_model.{name}": value for name, value in {**own, **clip}.items()}
    content = {
        "G": {name: value + 1 for name, value in own.items() if not name.endswith(".f")},
        "D": {"to_logits.0.bias": torch.ones(2)},
        "G_opt": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 2e-4, "params": [0]}]},
        "G_ema": {**average, "initted": torch.tensor(True), "step": torch.tensor(7)},
        "steps": 3,
        "version": "0.3.0",
    }
    torch.save(content, folder / "model-1.ckpt")
    return folder / "model-1.ckpt"


def test_a_file_of_its_trainer_gives_the_averaged_weights_unless_told(tmp_path: Path):
    G = built(**PLAIN)
    path = saved(tmp_path, G)
    done = convert(path, tmp_path / "M.safetensors")
    assert done.num_clip_tensors == 1
    model = TextToImage.from_checkpoint(tmp_path / "M.safetensors")
    z, c = ask(G)
    with torch.no_grad():
        assert torch.equal(model.G(z, c), G(z, c))
    assert model.generate(["anything"], [3]).shape == (1, 3, 16, 16)
    convert(path, tmp_path / "M.safetensors", which="raw", may_overwrite=True)
    raw = TextToImage.from_checkpoint(tmp_path / "M.safetensors").G
    torch.testing.assert_close(raw.const, G.const + 1)


def test_the_text_encoder_is_named_as_the_package_used_it(tmp_path: Path):
    clip = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
        "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
    }
    (tmp_path / "port-text.json").write_text(json.dumps(clip))
    model, tag = tmp_path / "port-text.json", tmp_path / "port-text.safetensors"
    torch.manual_seed(0)
    save_file(weights.open_clip_model(str(model)).state_dict(), tag)
    save_file(foreign(built()), tmp_path / "G.safetensors")
    done = convert(tmp_path / "G.safetensors", tmp_path / "M.safetensors", conditioner=f"{model}:{tag}")
    told = done.header.conditioner
    assert (told["tokens"], told["token_layer"], told["quick_gelu"]) == (True, "last", False)
    drawn = TextToImage.from_checkpoint(tmp_path / "M.safetensors").generate(["a cat", "a dog"], [0, 0])
    assert (drawn[0] != drawn[1]).any()
    with pytest.raises(UsageError, match="gives tokens of 768 numbers"):
        convert(tmp_path / "G.safetensors", tmp_path / "N.safetensors", conditioner="ViT-L-14:openai")
    assert not (tmp_path / "N.safetensors").exists()


def test_a_generator_without_its_text_layers_is_refused(tmp_path: Path):
    tensors = {k: v for k, v in foreign(built()).items() if not k.startswith("text_encoder.")}
    save_file(tensors, tmp_path / "G.safetensors")
    with pytest.raises(CheckpointError, match="the text layers are not in the file"):
        convert(tmp_path / "G.safetensors", tmp_path / "M.safetensors")


def test_a_foreign_safetensors_file_is_told_how_to_come_in(tmp_path: Path):
    save_file(foreign(built()), tmp_path / "G.safetensors")
    with pytest.raises(CheckpointError, match="gigagan-pytorch"):
        checkpoint.read_header(tmp_path / "G.safetensors")
