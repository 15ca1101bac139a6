"""Files with an official generator become checkpoints that draw the reference image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from convert_pickles import module_of, pickled, reference, snapshot, torch_saved, without_numbers
from safetensors.torch import save_file
from torch import Tensor, nn

from t2igan import checkpoint, weights
from t2igan.checkpoint import Header, part
from t2igan.convert.stylegan_t_file import LICENCE, convert, read_generator
from t2igan.errors import CheckpointError, T2IGanError, UsageError, WeightsError
from t2igan.models import build_generator
from t2igan.models.stylegan_t.config import StyleGANTConfig
from t2igan.types import Condition

FORWARD = 1e-4  # of the largest value, from the fixtures' README; 4e-6 is reached
SMALL_CLIP = {  # an open_clip config whose embeddings are as long as the reference generator's
    "embed_dim": 24,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
OFFICIAL, DATA, _ = reference()


@pytest.fixture
def text_encoder(tmp_path: Path) -> str:
    """MODEL:TAG of an open_clip model that nobody has trained; its weights need not be there."""
    path = tmp_path / "convert-text.json"
    path.write_text(json.dumps(SMALL_CLIP))
    return f"{path}:{tmp_path / 'convert-text.safetensors'}"


def error(G: Any) -> float:
    """Distance from the reference image, relative to its largest value."""
    img, expected = G(DATA["in/z"], Condition(DATA["in/c"])), DATA["out/img_psi1.0"]
    return ((img - expected).abs().max() / expected.abs().max()).item()


def written(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def with_text_tower() -> dict[str, Tensor]:
    clip = {
        "mapping.clip.model.token_embedding.weight": torch.ones(3, 2),
        "mapping.clip.model.logit_scale": torch.ones([]),
    }
    return {**OFFICIAL, **clip}  # fmt: skip


FILES = {
    "snapshot.pkl": lambda: pickled(snapshot(OFFICIAL)),
    "snapshot-protocol2.pkl": lambda: pickled(snapshot(OFFICIAL), protocol=2),
    "snapshot-protocol5.pkl": lambda: pickled(snapshot(OFFICIAL), protocol=5),
    "snapshot-zip.pt": lambda: torch_saved(snapshot(OFFICIAL), is_zip=True),
    "snapshot-old.pt": lambda: torch_saved(snapshot(OFFICIAL), is_zip=False),
    "module.pkl": lambda: pickled(module_of(OFFICIAL)),
    "states.pt": lambda: torch_saved({"G_ema": OFFICIAL, "G": {}}, is_zip=True),
    "state.pt": lambda: torch_saved(OFFICIAL, is_zip=True),
    "state.pth": lambda: torch_saved(module_of(OFFICIAL).state_dict(), is_zip=False),
    "arrays.pkl": lambda: pickled({name: value.numpy() for name, value in OFFICIAL.items()}),
    "arrays-protocol5.pkl": lambda: pickled({n: v.numpy() for n, v in OFFICIAL.items()}, protocol=5),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_any_layout_draws_the_reference_image(name: str, tmp_path: Path):
    assert error(read_generator(written(tmp_path, name, FILES[name]())).generator) < FORWARD


@pytest.mark.parametrize("prefix", ["", "weights/", "G_ema."])
def test_safetensors_with_official_names_draw_the_reference_image(prefix: str, tmp_path: Path):
    path = tmp_path / "G.safetensors"
    save_file({f"{prefix}{name}": value for name, value in OFFICIAL.items()}, path)
    assert error(read_generator(path).generator) < FORWARD


def test_what_is_converted_loads_as_a_checkpoint_and_draws_the_reference_image(
    tmp_path: Path, text_encoder: str
):
    source = written(tmp_path, "snapshot.pkl", pickled(snapshot(with_text_tower())))
    done = convert(source, tmp_path / "M.safetensors", conditioner=text_encoder)
    assert done.num_text_tensors == 2
    header, tensors = checkpoint.read(tmp_path / "M.safetensors", kind="generator")
    G = build_generator(StyleGANTConfig(**header.config)).eval()
    checkpoint.load_strictly(G, part(tensors, "G_ema"), source="M")
    assert error(G) < FORWARD
    assert header.progress == {"source": "snapshot.pkl", "weights": "ema", "licence": LICENCE}
    assert header.conditioner["kind"] == "clip_text"


def test_the_licence_that_is_named_is_stored(tmp_path: Path, text_encoder: str):
    source = written(tmp_path, "G.pkl", pickled(module_of(OFFICIAL)))
    convert(source, tmp_path / "M.safetensors", conditioner=text_encoder, licence="CC-BY-4.0")
    assert checkpoint.read_header(tmp_path / "M.safetensors").progress["licence"] == "CC-BY-4.0"


def test_the_text_tower_is_not_read(tmp_path: Path):
    broken = pickled(snapshot(with_text_tower() | {"mapping.clip.model.big": torch.empty(0)}))
    found = read_generator(written(tmp_path, "snapshot.pkl", broken))
    assert found.num_text_tensors == 3
    assert not any("clip" in name for name in found.generator.state_dict())


def test_raw_and_averaged_weights_are_told_apart(tmp_path: Path):
    path = written(tmp_path, "snapshot.pkl", pickled(snapshot(OFFICIAL)))
    bias = "synthesis.b8.torgb.bias"
    averaged, raw = (
        read_generator(path, which=which).generator.state_dict()[bias] for which in ("ema", "raw")
    )
    assert torch.equal(averaged, OFFICIAL[bias])
    assert torch.equal(raw, OFFICIAL[bias] + 1)


def test_weights_that_are_not_there_are_not_replaced_by_others(tmp_path: Path):
    only_raw = written(tmp_path, "raw.pt", torch_saved({"G": OFFICIAL}, is_zip=True))
    with pytest.raises(CheckpointError, match=r"no ema weights. Choose --weights raw"):
        read_generator(only_raw)
    unnamed = written(tmp_path, "state.pt", torch_saved(OFFICIAL, is_zip=True))
    with pytest.raises(CheckpointError, match="Leave --weights out"):
        read_generator(unnamed, which="raw")


def test_buffers_that_a_state_dict_would_leave_out_are_left_out(tmp_path: Path):
    G = module_of(OFFICIAL)
    G.register_buffer("scratch", torch.ones(9), persistent=False)
    assert error(read_generator(written(tmp_path, "G.pkl", pickled(G))).generator) < FORWARD


def test_half_precision_and_frozen_weights_load_as_float32(tmp_path: Path):
    half = module_of({name: value.half() for name, value in OFFICIAL.items()}).requires_grad_(False)
    G = read_generator(written(tmp_path, "G.pkl", pickled(half))).generator
    assert {p.dtype for p in G.parameters()} == {torch.float32}
    assert error(G) < 0.05  # 11 bits in 7 layers whose noise and gains are those of random weights


def test_arrays_of_either_byte_order_and_memory_order_are_read(tmp_path: Path):
    arrays = {name: np.array(value.numpy(), dtype=">f4", order="F") for name, value in OFFICIAL.items()}
    assert error(read_generator(written(tmp_path, "G.pkl", pickled(arrays))).generator) < FORWARD


def test_metadata_of_safetensors_is_used_where_it_makes_sense(tmp_path: Path):
    path = tmp_path / "G.safetensors"
    for text, clamp in [
        ('{"conv_clamp": 128}', 128.0),
        ('{"conv_clamp": null}', None),
        ('{"conv_clamp": "x"}', 256.0),
        ("[" * 99_999, 256.0),
        ("[1]", 256.0),
    ]:
        save_file(OFFICIAL, path, metadata={"meta": text})
        assert read_generator(path).generator.config.conv_clamp == clamp


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("synthesis.b32.torgb.weight", (), "should be a matrix"),
        ("synthesis.b32.torgb.weight", (3, 16_000, 1, 1), "do not fit"),  # 9 GB
        ("synthesis.b32.torgb.weight", (3, 64_000, 1, 1), "less than or equal to 16384"),
        ("synthesis.b" + "9" * 150 + ".torgb.weight", (1,), "not known"),
        ("mapping.mlp.fc0.weight", (64,), "should be a matrix"),
    ],
)
def test_impossible_shapes_are_one_line_before_any_memory_is_taken(
    name: str, shape: tuple[int, ...], reason: str, tmp_path: Path
):
    path = tmp_path / "G.safetensors"
    save_file(OFFICIAL | {name: torch.zeros(shape)}, path)
    with pytest.raises(CheckpointError, match=reason) as caught:
        read_generator(path)
    assert str(caught.value).isprintable()


def test_shapes_are_refused_before_any_number_is_read(tmp_path: Path):
    wrong = OFFICIAL | {"synthesis.b32.torgb.weight": torch.zeros(3, 64, 1, 1)}
    for tensors, reason in ((wrong, "do not fit"), (OFFICIAL, "is missing or compressed")):
        path = written(tmp_path, "G.pt", without_numbers(torch_saved(tensors, is_zip=True)))
        with pytest.raises(CheckpointError, match=reason):
            read_generator(path)


def test_a_discriminator_alone_is_not_a_generator(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"D\.pkl: StyleGAN-T generator: no blocks"):
        read_generator(written(tmp_path, "D.pkl", pickled(nn.Linear(2, 2))))


def test_our_own_checkpoints_need_no_conversion(tmp_path: Path):
    checkpoint.save(tmp_path / "M.safetensors", {"G_ema.w": torch.ones(1)}, Header("generator"))
    with pytest.raises(CheckpointError, match="a t2igan checkpoint already"):
        read_generator(tmp_path / "M.safetensors")


def test_an_unconditional_generator_is_refused_as_nothing_samples_it(tmp_path: Path):
    G = build_generator(
        StyleGANTConfig(z_dim=8, c_dim=0, resolution=8, channel_base=256, channel_max=32, num_res_blocks=1)
    )
    source = written(tmp_path, "G.pt", torch_saved(G.state_dict(), is_zip=True))
    assert read_generator(source).generator.c_dim == 0
    with pytest.raises(CheckpointError, match="unconditional"):
        convert(source, tmp_path / "M.safetensors")
    assert not (tmp_path / "M.safetensors").exists()


@pytest.mark.parametrize(
    ("conditioner", "kind", "reason"),
    [
        ("ViT-L-14:openai", UsageError, "gives 768 numbers, but .* takes 24"),
        ("ViT-L-14", UsageError, "MODEL:TAG"),
        (":openai", UsageError, "MODEL:TAG"),
        ("ViT-L-99:openai", WeightsError, "no model 'ViT-L-99'"),
        ("ViT-L-14:opneai", WeightsError, "no weights 'opneai'"),
        ("ViT-L-14:some/where.pt", WeightsError, "two activations"),
    ],
)
def test_a_text_encoder_that_cannot_be_right_is_refused(
    conditioner: str, kind: type[T2IGanError], reason: str, tmp_path: Path
):
    source = written(tmp_path, "G.pt", torch_saved(OFFICIAL, is_zip=True))
    with pytest.raises(kind, match=reason):
        convert(source, tmp_path / "M.safetensors", conditioner=conditioner)
    assert not (tmp_path / "M.safetensors").exists()


def test_the_official_text_encoder_gives_as_many_numbers_as_official_generators_take():
    assert weights.open_clip_dim("ViT-L-14", "openai") == StyleGANTConfig().c_dim


def test_files_are_not_overwritten_unasked(tmp_path: Path, text_encoder: str):
    source = written(tmp_path, "G.pt", torch_saved(OFFICIAL, is_zip=True))
    out = written(tmp_path, "M.safetensors", b"mine")
    with pytest.raises(UsageError, match="exists already"):
        convert(source, out, conditioner=text_encoder)
    assert out.read_bytes() == b"mine"
    convert(source, out, conditioner=text_encoder, may_overwrite=True)
    assert checkpoint.read_header(out).kind == "generator"
    with pytest.raises(UsageError, match="must end in"):
        convert(source, tmp_path / "M.pt", conditioner=text_encoder)
