"""Text embeddings beside shards: found, checked, and read for the caption that was picked."""

import io
import itertools
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.numpy import save_file
from tiny import final_tensors, tiny_encoder, tiny_recipe

from t2igan.data.config import ShapesConfig, ShardsConfig, SourceConfig
from t2igan.data.loader import build_loader
from t2igan.data.mixed_stream import shards_stream
from t2igan.data.samples import read_captions
from t2igan.data.shapes import ShapesStream
from t2igan.data.shards import find_shards
from t2igan.data.sidecar import Sidecar, has_any_sidecar, sidecar_path, why_not
from t2igan.data.tars import index_tar, read_members
from t2igan.data.writer import ShardWriter
from t2igan.errors import DataError
from t2igan.text.config import HashingConfig
from t2igan.text.hashing import Hashing
from t2igan.train.embeddings import choose_embeddings
from t2igan.train.loop import train
from t2igan.train.run import run
from t2igan.train.setup import setup_encoder, setup_gan
from t2igan.types import Condition

FINGERPRINT = "hashing-16"
CONDITIONER = Hashing(HashingConfig(dim=16), {})


def rounded(captions) -> np.ndarray:
    """[N, 16] float16."""
    embed = CONDITIONER(captions).embed
    assert embed is not None
    return embed.numpy().astype(np.float16)


def embed_beside(shard: Path, fingerprint: str = FINGERPRINT, **metadata: str) -> Path:
    """Write the sidecar of a shard as `data embed` is to write it."""
    captions = [read_captions(read_members(shard, entry)) for entry in index_tar(shard)]
    offsets = np.cumsum([0, *map(len, captions)], dtype=np.int64)
    tensors = {"embed": rounded([text for texts in captions for text in texts]), "offsets": offsets}
    path = sidecar_path(shard, fingerprint)
    save_file(
        tensors, path, {"fingerprint": fingerprint, "input_bytes": str(shard.stat().st_size)} | metadata
    )
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """23 shapes in 5 shards, with one caption, two or three."""
    out = tmp_path_factory.mktemp("captioned") / "set"
    shapes = ShapesStream(ShapesConfig(scenes="single"), resolution=16, seed=0)
    with ShardWriter(out, settings={}, per_shard=5) as writer:
        for sample in map(shapes.sample, range(23)):
            png = io.BytesIO()
            Image.fromarray(sample.image).save(png, "PNG")
            texts = [sample.caption, f"a picture of {sample.caption}", f"{sample.caption}, drawn"]
            fields = {"captions": texts[: 1 + writer.samples % 3]}
            writer.write({"png": png.getvalue(), "json": json.dumps(fields).encode()})
    return out


@pytest.fixture
def folder(plain, tmp_path):
    """The same with sidecars."""
    shutil.copytree(plain, tmp_path / "set")
    for shard in find_shards(str(tmp_path / "set")):
        embed_beside(shard)
    return tmp_path / "set"


def recipe(data: str):
    return tiny_recipe(f"data={data}", "train.sample_kimg=1000", stages=((16, 3),))


class Rounded:
    """The conditioner whose embeddings the sidecars hold."""

    dim, config, fingerprint = 16, CONDITIONER.config, FINGERPRINT
    cut, weights = CONDITIONER.cut, CONDITIONER.weights

    def __call__(self, captions) -> Condition:
        return Condition(embed=F.normalize(torch.from_numpy(rounded(captions)).float(), dim=1))


def test_every_batch_brings_the_embeddings_of_the_captions_that_were_picked(folder):
    loader = build_loader(
        ShardsConfig(shards=str(folder)), resolution=16, batch=8, seed=0, embeddings=FINGERPRINT
    )
    batches = list(itertools.islice(loader, 9))
    for batch in batches:
        assert batch.embed is not None
        np.testing.assert_array_equal(batch.embed.numpy(), rounded(batch.captions))
    assert {caption.startswith("a picture of") for batch in batches for caption in batch.captions} == {
        True,
        False,
    }


def test_reading_embeddings_changes_neither_order_nor_captions(folder):
    data = ShardsConfig(shards=str(folder))
    without, with_ = (shards_stream(data, resolution=16, seed=3, embeddings=e) for e in (None, FINGERPRINT))
    for i in range(30):
        assert (without.sample(i).key, without.sample(i).caption) == (
            with_.sample(i).key,
            with_.sample(i).caption,
        )
    assert without.sample(0).embed is None


def test_a_mix_reads_the_embeddings_of_each_source(folder):
    sources = (
        SourceConfig(shards=f"{folder}/{{00000..00002}}.tar"),
        SourceConfig(shards=f"{folder}/00003.tar"),
    )
    mixed = shards_stream(ShardsConfig(shards=sources), resolution=16, seed=0, embeddings=FINGERPRINT)
    for sample in map(mixed.sample, range(20)):
        np.testing.assert_array_equal(sample.embed, rounded([sample.caption])[0])


def test_training_with_embeddings_equals_training_with_their_conditioner(folder, tmp_path):
    config = recipe(f"{{kind: shards, shards: '{folder}'}}")
    read = final_tensors(config, tmp_path / "run")
    state = setup_gan(config, 0, torch.device("cpu"))
    state.conditioner = Rounded()
    state.stop_nimg = 3 * state.config.batch
    train(state, build_loader(config.data, resolution=16, batch=8, seed=0), lambda _: None)
    trained = [(f"{name}.{key}", value) for name in ("G", "D") for key, value in state.params[name].items()]
    assert len(trained) > 20
    assert all(torch.equal(value, read[key]) for key, value in trained)


def log_of(run_dir: Path) -> str:
    return (run_dir / "log.txt").read_text()


def test_the_log_says_that_embeddings_are_read(folder, tmp_path):
    run(recipe(f"{{kind: shards, shards: '{folder}'}}"), tmp_path / "run")
    assert "text embeddings: read from beside the shards, made by hashing-16" in log_of(tmp_path / "run")


def test_the_log_says_why_embeddings_are_not_read(folder, tmp_path):
    next(folder.glob("00002.text-*")).unlink()
    run(recipe(f"{{kind: shards, shards: '{folder}'}}"), tmp_path / "run")
    assert "not used: 1 of 5 shards have none of this conditioner" in log_of(tmp_path / "run")


def test_nothing_is_said_of_embeddings_that_nobody_made_or_wants(plain, folder, tmp_path):
    run(recipe(f"{{kind: shards, shards: '{plain}'}}"), tmp_path / "a")
    run(recipe(f"{{kind: shards, shards: '{folder}', embeddings: 'off'}}"), tmp_path / "b")
    assert "embeddings" not in log_of(tmp_path / "a") + log_of(tmp_path / "b")


def test_embeddings_that_are_required_must_be_there(plain, tmp_path):
    with pytest.raises(DataError, match=r"embeddings is require.*no shard has any.*t2igan data embed"):
        run(recipe(f"{{kind: shards, shards: '{plain}', embeddings: require}}"), tmp_path / "run")


def test_networks_that_read_token_ids_get_no_embeddings(folder, tmp_path):
    config = tiny_encoder("shapes_clip", 1, f"data={{kind: shards, shards: '{folder}'}}")
    state = setup_encoder(config, torch.device("cpu"))
    found = choose_embeddings(config.data, state)
    assert found.fingerprint is None
    assert "read tokens" in str(found.line)


def test_embeddings_of_another_conditioner_are_left_alone(folder):
    shards = find_shards(str(folder))
    assert has_any_sidecar(shards)
    assert "of another conditioner than hashing-8" in why_not(shards, "hashing-8")
    assert why_not(shards, FINGERPRINT) == ""


def test_a_file_that_lies_about_its_conditioner_is_found_out(folder):
    shards = find_shards(str(folder))
    embed_beside(shards[1], fingerprint=FINGERPRINT, input_bytes="7")
    assert "was made from another 00001.tar, of 7 bytes" in why_not(shards, FINGERPRINT)
    sidecar_path(shards[0], FINGERPRINT).rename(sidecar_path(shards[0], "other"))
    sidecar_path(shards[0], "other").rename(sidecar_path(shards[0], "hashing_16"))
    assert "is of conditioner hashing-16, not of hashing_16" in why_not(shards[:1], "hashing_16")


def test_a_damaged_file_is_named(folder):
    path = sidecar_path(find_shards(str(folder))[0], FINGERPRINT)
    path.write_bytes(path.read_bytes()[:-10])
    assert f"{path}: cannot be read" in why_not(find_shards(str(folder)), FINGERPRINT)


def test_rows_that_do_not_belong_to_the_samples_are_an_error(folder):
    shard = find_shards(str(folder))[0]
    with pytest.raises(DataError, match="is not of the 4 samples"):
        Sidecar(shard, count=4, fingerprint=FINGERPRINT)
    sidecar = Sidecar(shard, count=5, fingerprint=FINGERPRINT)
    with pytest.raises(DataError, match="sample 1 has 3 captions, but 2 embeddings"):
        sidecar.row(1, 0, captions=3)


def test_a_fingerprint_with_a_path_in_it_stays_beside_the_shard():
    path = sidecar_path(Path("x/00000.tar"), "clip_text-hf-hub:timm/ViT-B-16-abc")
    assert path == Path("x/00000.text-clip_text-hf-hub_timm_ViT-B-16-abc.safetensors")


def test_embeddings_that_are_older_than_their_shard_are_left_alone(folder):
    shards = find_shards(str(folder))
    assert why_not(shards, FINGERPRINT) == ""
    os.utime(shards[1], ns=(2**62, 2**62))
    assert "is older than 00001.tar" in why_not(shards, FINGERPRINT)
