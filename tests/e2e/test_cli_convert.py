"""`t2igan model convert` as a shell sees it, from a pickled snapshot or AuraSR's files to pictures."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from aura_sr_files import write_model
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from t2igan import weights

Run = Callable[..., subprocess.CompletedProcess[str]]
REFERENCE = Path(__file__).parents[1] / "fixtures" / "stylegan_t" / "generator_32.safetensors"
LUCID = REFERENCE.parents[1] / "gigagan" / "lucid_generator_tiny.safetensors"
TEXT = {  # an open_clip config whose embeddings are as long as the reference generator's
    "embed_dim": 24,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture
def text_encoder(tmp_path: Path) -> str:
    (tmp_path / "text.json").write_text(json.dumps(TEXT))
    torch.manual_seed(0)
    state = weights.open_clip_model(str(tmp_path / "text.json")).state_dict()
    save_file(state, tmp_path / "text.safetensors")
    return "text.json:./text.safetensors"


def official() -> dict[str, torch.Tensor]:
    with safe_open(str(REFERENCE), "pt") as file:
        names = [key for key in file.keys() if key.startswith("weights/")]  # noqa: SIM118
        return {name.removeprefix("weights/"): file.get_tensor(name) for name in names}


def test_a_pickled_generator_is_converted_described_and_sampled(
    t2igan: Run, tmp_path: Path, text_encoder: str
):
    tower = {"mapping.clip.model.logit_scale": torch.ones([])}
    (tmp_path / "G.pkl").write_bytes(pickle.dumps({"G_ema": official() | tower}))
    words = [
        "model",
        "convert",
        "stylegan-t",
        "G.pkl",
        "--out",
        "M.safetensors",
        "--conditioner",
        text_encoder,
    ]
    done = t2igan(*words)
    assert (done.returncode, done.stderr) == (0, "")
    first, encoder, left_out, licence = done.stdout.splitlines()
    assert first.startswith("M.safetensors  generator, 32 px, ema weights, ")
    assert encoder == "text encoder  text.json ./text.safetensors"
    assert left_out.startswith("left out  the text tower inside the file (1 tensors)")
    assert licence.startswith("licence  converted weights keep their licence: that of the source; ")
    info = json.loads(t2igan("model", "info", "M.safetensors", "--json").stdout)
    assert (info["kind"], info["network"]["resolution"], info["progress"]["source"]) == (
        "generator",
        32,
        "G.pkl",
    )
    drawn = t2igan("sample", "a red circle", "--model", "M.safetensors", "--seeds", "0-1", "--out", "out")
    assert (drawn.returncode, drawn.stderr) == (0, "")
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    again = t2igan(*words)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == "error: M.safetensors: exists already. Choose another --out, or add --overwrite.\n"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("hostile.pkl", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09touch ran\x85R.", "it mentions os.system, which"),
        ("letter.pkl", b"Dear reader,\n", "no pickle, or a damaged one ("),
        ("cut.pkl", pickle.dumps({"G_ema": {"w": 1}})[:-3], "no pickle, or a damaged one ("),
        ("letter.safetensors", b"Dear reader,\n", "not a safetensors file, or cut short"),
    ],
    ids=["hostile", "letter", "cut", "letter as safetensors"],
)  # fmt: skip
def test_a_file_that_cannot_be_converted_gives_one_line(
    t2igan: Run, tmp_path: Path, name: str, data: bytes, reason: str
):
    (tmp_path / name).write_bytes(data)
    done = t2igan("model", "convert", "stylegan-t", name, "--out", "M.safetensors")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {name}: {reason}")
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_help_names_the_formats_and_imports_no_torch():
    code = """
import sys
from t2igan.cli.app import main
assert main(["model", "convert", "--help"]) == 0
assert main(["model", "convert", "stylegan-t", "--help"]) == 0
assert main(["model", "convert", "aura-sr", "--help"]) == 0
assert main(["model", "convert", "gigagan-pytorch", "--help"]) == 0
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "stylegan-t" in done.stdout
    assert "--conditioner" in done.stdout


def test_convert_without_a_format_shows_its_help_as_a_usage_error(t2igan: Run):
    done = t2igan("model", "convert")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: t2igan model convert")


def test_aura_sr_files_are_converted_described_and_enlarge_a_photo(t2igan: Run, tmp_path: Path):
    write_model(tmp_path / "AuraSR-v2")
    Image.radial_gradient("L").resize((23, 17)).convert("RGB").save(tmp_path / "photo.jpg")
    done = t2igan("model", "convert", "aura-sr", "AuraSR-v2", "--out", "M.safetensors", "--dtype", "bf16")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: nobody said what licence these weights have.")
    first, source, tested, licence = done.stdout.splitlines()
    assert first.startswith("M.safetensors  upsampler, 8 px tiles, bf16, 1.2")
    assert source.startswith("source  model.safetensors, sha256 ")
    assert licence == "licence  converted weights keep their licence: not stated"
    shown = t2igan("model", "info", "M.safetensors").stdout
    assert tested.removeprefix("self-test  ") in shown
    assert "kind          upsampler" in shown
    drawn = t2igan("upscale", "photo.jpg", "--model", "M.safetensors", "--out", "out")
    assert drawn.returncode == 0, drawn.stderr
    (picture,) = (tmp_path / "out").glob("*.png")
    with Image.open(picture) as img:
        assert img.size == (92, 68)


def test_an_aura_sr_pickle_or_a_hub_id_while_offline_gives_one_line(t2igan: Run, tmp_path: Path):
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09touch ran\x85R.")
    for words, reason in (
        (["model.ckpt"], "model.ckpt: a pickle, which can run code when it is read."),
        (["fal/AuraSR-v2"], "fal/AuraSR-v2: config.json is neither a path nor in the local hub cache."),
    ):
        done = t2igan("model", "convert", "aura-sr", *words, "--out", "M.safetensors", HF_HOME=str(tmp_path))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: {reason}")
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "M.safetensors").exists()


def test_a_gigagan_pytorch_generator_without_its_text_layers_gives_one_line(t2igan: Run, tmp_path: Path):
    shutil.copy(LUCID, tmp_path / "G.safetensors")
    done = t2igan("model", "convert", "gigagan-pytorch", "G.safetensors", "--out", "M.safetensors")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "error: G.safetensors: its generator was trained with text, but the text layers"
    )
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "M.safetensors").exists()
