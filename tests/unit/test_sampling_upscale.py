"""A generator and the upsamplers behind it, in Python and from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import tiny_snapshot
from tiny_upsamplers import Nearest, tiny_aura_sr, upscaler

from t2igan.cli.app import main
from t2igan.errors import UsageError
from t2igan.images import read_metadata
from t2igan.pipeline import TextToImage
from t2igan.upscaler.model import Upscaler

PROMPTS = ["a red circle", "a blue square", "a green ring"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_snapshot(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def generator(base: str) -> TextToImage:
    return TextToImage.from_checkpoint(base)


def test_a_chain_draws_what_the_generator_draws_and_enlarges_it(generator: TextToImage):
    small = generator.generate(PROMPTS, [0, 1, 2])
    chain = generator.then(upscaler(Nearest())).then(upscaler(Nearest(scale=2)))
    assert chain.resolution == 8 * generator.resolution
    large = chain.generate(PROMPTS, [0, 1, 2])
    assert torch.equal(large, small.repeat_interleave(8, 2).repeat_interleave(8, 3))
    assert chain.cut(" ".join(["word"] * 70)) == generator.cut(" ".join(["word"] * 70)) != ""


def test_an_image_of_a_chain_is_the_same_in_any_batch_and_streams(generator: TextToImage):
    chain = generator.then(upscaler(Nearest(z_gain=0.3, noise_gain=0.1)))
    whole = chain.generate(PROMPTS, [5, 6, 7])
    parts = list(chain.stream(PROMPTS, [5, 6, 7], batch_size=2))
    assert [len(part) for part in parts] == [2, 1]
    assert int((whole.int() - torch.cat(parts).int()).abs().max()) <= 1
    assert int((whole[1].int() - chain.generate(PROMPTS[1:2], [6])[0].int()).abs().max()) <= 1


def test_prompts_reach_the_upsamplers_that_read_text_and_only_those(generator: TextToImage):
    reader = upscaler(Nearest(scale=2, c_dim=8))
    chain = generator.then(upscaler(Nearest(scale=2))).then(reader)
    small = generator.generate(PROMPTS, [0, 0, 0])
    doubled = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(
        chain.generate(PROMPTS, [0, 0, 0]), reader.upscale(doubled, prompt=PROMPTS, seed=[0, 0, 0])
    )


def test_what_the_generator_refuses_the_chain_refuses(generator: TextToImage):
    chain = generator.then(upscaler(Nearest()))
    with pytest.raises(UsageError, match="an empty prompt"):
        chain.generate([" "], [0])
    with pytest.raises(UsageError, match="psi 9 is outside"):
        chain.generate(["a"], [0], psi=9)


def test_sample_enlarges_with_each_upsampler_in_turn_and_tells_of_them(
    base: str, generator: TextToImage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    first, second = (tiny_aura_sr(tmp_path / f"{i}.safetensors", seed=i) for i in range(2))
    words = [
        "sample",
        "a red circle",
        "--model",
        base,
        "--seeds",
        "3-4",
        "--out",
        str(tmp_path / "out"),
        "--grid",
    ]
    assert main([*words, "--upscale", str(first), "--upscale", str(second)]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.split()]
    assert [path.name for path in paths] == ["0003_a-red-circle.png", "0004_a-red-circle.png", "grid.png"]
    models = [Upscaler.from_checkpoint(path) for path in (first, second)]
    expected = generator.then(models[0]).then(models[1]).generate(["a red circle"] * 2, [3, 4])
    for path, image in zip(paths, expected, strict=False):
        found = np.asarray(Image.open(path)).astype(int)
        assert np.abs(found - image.permute(1, 2, 0).numpy()).max() <= 1
    story = read_metadata(paths[0])
    assert story["size"] == [256, 256]
    assert story["upscale"] == [
        {"name": str(path), "fingerprint": model.fingerprint, "scale": 4}
        for path, model in zip((first, second), models, strict=True)
    ]


def test_an_upsampler_that_is_none_is_said_before_anything_is_written(
    base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["sample", "a", "--model", base, "--out", str(tmp_path / "out"), "--upscale"]
    for name, message in ((base, "an upsampler is needed"), ("shapes_4x", "did you mean 'shapes_x4'?")):
        assert main([*words, name]) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
