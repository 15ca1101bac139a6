from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from t2igan.clip_scorer import load_scorer
from t2igan.curate.measures.clip import ClipMeter
from t2igan.errors import UsageError
from t2igan.metrics.config import ClipFeaturesConfig, SmallClipFeaturesConfig

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "layers": 1, "width": 64, "heads": 2},
}
CAPTIONS = ["a red circle", "two dogs in the snow", "a very long caption " * 20]


def pictures() -> list[Image.Image]:
    """Wide, high and small, with shapes of several sizes in them."""
    rng = np.random.default_rng(0)
    noise = [
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
        for size in ((300, 200), (180, 411), (20, 17))
    ]
    return noise


def save(model: torch.nn.Module, path: Path) -> str:
    """In the formats that weights are published in."""
    state = {key: value.contiguous().clone() for key, value in model.state_dict().items()}
    if path.suffix == ".safetensors":
        save_file(state, str(path))
    else:
        torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 3}, path)
    return str(path)


def independent_scores(model: str, file: str, *, quick_gelu: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and cosines by open_clip's own road, one picture at a time."""
    net, _, transform = open_clip.create_model_and_transforms(model, file, force_quick_gelu=quick_gelu)
    tokens = open_clip.get_tokenizer(model)(CAPTIONS)
    net.eval()
    with torch.no_grad():
        images = torch.cat(
            [net.encode_image(transform(picture)[None], normalize=True) for picture in pictures()]
        )
        texts = net.encode_text(tokens, normalize=True)
    return images, (images @ texts.T).diagonal()


@pytest.fixture(scope="module")
def tiny_config(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("clip") / "t2i-curate-test.json"
    path.write_text(json.dumps(TINY))
    open_clip.add_model_config(str(path))
    return str(path)


@pytest.fixture(scope="module")
def tiny_weights(tiny_config) -> str:
    torch.manual_seed(0)
    return save(open_clip.create_model("t2i-curate-test"), Path(tiny_config).with_name("own.safetensors"))


@pytest.fixture(scope="module")
def meter(tiny_config, tiny_weights) -> ClipMeter:
    return ClipMeter(ClipFeaturesConfig(model=tiny_config, pretrained=tiny_weights, quick_gelu=False))


@pytest.mark.parametrize("name", ["own.safetensors", "own.pt"])
def test_a_small_model_scores_as_open_clip_does(tiny_config, tmp_path, name):
    torch.manual_seed(0)
    file = save(open_clip.create_model("t2i-curate-test"), tmp_path / name)
    embeddings, scores = independent_scores("t2i-curate-test", file, quick_gelu=False)
    meter = ClipMeter(ClipFeaturesConfig(model=tiny_config, pretrained=file, quick_gelu=False))
    found = meter.embed(pictures())
    torch.testing.assert_close(found, embeddings, atol=1e-5, rtol=0)  # float32, 3,072 terms
    torch.testing.assert_close(meter.scores(found, CAPTIONS), scores, atol=1e-5, rtol=0)


@pytest.mark.slow  # 0.6 GB of random weights are made, written twice and read twice
def test_vit_b_32_of_random_weights_scores_as_open_clip_does(tmp_path):
    torch.manual_seed(0)
    made = open_clip.create_model("ViT-B-32")
    files = [save(made, tmp_path / name) for name in ("weights.safetensors", "weights.pt")]
    embeddings, scores = independent_scores("ViT-B-32", files[0], quick_gelu=True)
    meter = ClipMeter(ClipFeaturesConfig(model="ViT-B-32", pretrained=files[1], quick_gelu=True))
    found = meter.embed(pictures())
    torch.testing.assert_close(found, embeddings, atol=1e-4, rtol=0)
    torch.testing.assert_close(meter.scores(found, CAPTIONS), scores, atol=1e-4, rtol=0)
    assert (meter.name, meter.dim) == ("ViT-B-32/weights", 512)
    assert found.std(dim=0).max() > 1e-3  # the pictures are told apart


def test_embeddings_and_scores_are_float32_of_unit_length(meter):
    embeddings = meter.embed(pictures())
    assert embeddings.dtype == torch.float32
    assert embeddings.shape == (3, meter.dim) == (3, 16)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))
    assert meter.scores(embeddings, CAPTIONS).dtype == torch.float32


def test_arrays_count_as_pictures(meter):
    arrays = [np.asarray(picture) for picture in pictures()]
    assert torch.equal(meter.embed(arrays), meter.embed(pictures()))


def test_pictures_may_be_prepared_in_threads(meter):
    with ThreadPoolExecutor(4) as pool:
        prepared = torch.stack(list(pool.map(meter.prepare, pictures() * 8)))
    assert prepared.dtype == torch.uint8
    assert prepared.shape == (24, 3, 32, 32)
    torch.testing.assert_close(meter.embed_prepared(prepared[:3]), meter.embed(pictures()))


@pytest.mark.parametrize("size", [(60_000, 1), (1, 60_000), (1, 1)])
def test_needles_are_prepared_without_filling_the_memory(meter, size):
    assert meter.prepare(Image.new("RGB", size)).shape == (3, 32, 32)


def test_the_ends_of_a_long_picture_do_not_count(meter):
    picture = Image.effect_noise((2000, 100), 80).convert("RGB")
    ends_gone = picture.copy()
    ends_gone.paste("red", (0, 0, 200, 100))
    ends_gone.paste("red", (1800, 0, 2000, 100))
    assert torch.equal(meter.prepare(picture), meter.prepare(ends_gone))


def test_the_name_is_that_of_model_and_weights_and_other_weights_have_another_hash(
    meter, tiny_config, tmp_path
):
    assert meter.name == "t2i-curate-test/own"
    torch.manual_seed(1)
    file = save(open_clip.create_model("t2i-curate-test"), tmp_path / "other.pt")
    other = ClipMeter(ClipFeaturesConfig(model=tiny_config, pretrained=file, quick_gelu=False))
    assert len(meter.weights) == 16
    assert int(meter.weights, 16) != int(other.weights, 16)


def test_the_same_weights_in_another_file_format_have_the_same_hash(
    meter, tiny_config, tiny_weights, tmp_path
):
    file = save(open_clip.create_model("t2i-curate-test", tiny_weights), tmp_path / "same.pt")
    other = ClipMeter(ClipFeaturesConfig(model=tiny_config, pretrained=file, quick_gelu=False))
    assert meter.weights == other.weights


@pytest.mark.parametrize("size", [32, 64, 45])
def test_a_small_clip_scores_squares_as_elsewhere(size):
    rng = np.random.default_rng(0)
    arrays = rng.integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    meter, scorer = ClipMeter(SmallClipFeaturesConfig()), load_scorer()
    expected = scorer(torch.from_numpy(arrays).permute(0, 3, 1, 2), ["a red circle", "a blue square"])
    found = meter.scores(meter.embed(list(arrays)), ["a red circle", "a blue square"])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert meter.name == "embedded:shapes_scorer"


def test_a_small_clip_takes_pictures_of_any_size_by_their_centre():
    meter = ClipMeter(SmallClipFeaturesConfig())
    large = Image.linear_gradient("L").resize((1500, 1200)).convert("RGB")
    centre = large.crop((150, 0, 1350, 1200))
    assert meter.embed([large, centre, *pictures()]).shape == (5, meter.dim)
    assert torch.equal(meter.prepare(large), meter.prepare(centre))


def test_a_cpu_refuses_half_precision(tiny_config):
    with pytest.raises(UsageError, match="fp32 only"):
        ClipMeter(ClipFeaturesConfig(model=tiny_config, pretrained=None), precision="bf16")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_scores_as_the_cpu_does(meter, tiny_config, tiny_weights, precision):
    config = ClipFeaturesConfig(model=tiny_config, pretrained=tiny_weights, quick_gelu=False)
    on_gpu = ClipMeter(config, device="cuda", precision=precision)
    found, expected = on_gpu.embed(pictures()), meter.embed(pictures())
    scores = on_gpu.scores(found, CAPTIONS)
    torch.testing.assert_close(scores, meter.scores(expected, CAPTIONS), atol=2e-2, rtol=0)  # bf16: 3 digits
    assert on_gpu.weights == meter.weights
