"""`data embed`: sidecars with one row a caption, which training reads instead of running its text encoder."""

import io
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from tar_files import write_tar
from typer.testing import CliRunner

from t2igan.cli.data import app
from t2igan.curate.embed.encode import encode
from t2igan.curate.embed.listing import list_embeddings
from t2igan.curate.embed.run import embed_shards, embed_tasks
from t2igan.curate.embed.shard import ShardEmbedder
from t2igan.curate.embed.sidecar import read_front, write_sidecar
from t2igan.curate.embed.texts import read_texts
from t2igan.curate.engine import Workers
from t2igan.curate.shards import list_shards
from t2igan.curate.storage import Folder
from t2igan.data.config import ShardsConfig
from t2igan.data.loader import build_loader
from t2igan.data.shards import find_shards
from t2igan.data.sidecar import sidecar_path, why_not
from t2igan.errors import DataError, UsageError
from t2igan.text import CONDITIONERS, build_conditioner
from t2igan.text.config import ClipTextConfig, HashingConfig, SmallClipTextConfig
from t2igan.text.hashing import Hashing
from t2igan.types import Condition

CONFIG = HashingConfig(dim=16)
FINGERPRINT = "hashing-16"
CONDITIONER = Hashing(CONFIG, {})
ONE = Workers(count=1)
NAMES = [f"0000{i}.text-{FINGERPRINT}.safetensors" for i in range(3)]
OPEN_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


class WithTokens(Hashing):
    """A text encoder that also gives one feature a word, padded to the longest caption."""

    def __call__(self, captions) -> Condition:
        words = [caption.split() for caption in captions]
        tokens = torch.zeros(len(words), max(map(len, words)) + 1, 4)
        mask = torch.zeros(tokens.shape[:2], dtype=torch.bool)
        for row, found in enumerate(words):
            for at, word in enumerate(found):
                tokens[row, at] = len(word) + torch.arange(4)
            mask[row, : len(found)] = True
        return Condition(embed=super().__call__(captions).embed, tokens=tokens, mask=mask)


def rounded(captions) -> np.ndarray:
    """[N, 16] float16."""
    embed = CONDITIONER(list(captions)).embed
    assert embed is not None
    return embed.numpy().astype(np.float16)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (9, 99, 199)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """Three shards of seven samples: with a .txt, with one to three captions in the .json, and one without any."""
    folder = tmp_path_factory.mktemp("plain")
    for shard in range(3):
        members = []
        for i in range(7):
            texts = [f"caption {shard} {i} {n}" for n in range(i % 3 + 1)] + ["said of many"] * (i == 2)
            fields = json.dumps({"captions": texts}).encode()
            members += [(f"{i}.png", png()), (f"{i}.json", fields) if i else ("0.txt", b"by  text\n")]
        members += [("bare.png", png())] if shard == 1 else []
        write_tar(folder / f"0000{shard}.tar", members)
    return folder


@pytest.fixture
def folder(plain, tmp_path) -> Path:
    shutil.copytree(plain, tmp_path / "set")
    return tmp_path / "set"


def sidecars(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


def embed(folder: Path, **options):
    return embed_shards(str(folder), **({"conditioner": CONFIG, "workers": ONE, "is_quiet": True} | options))


def test_rows_are_the_captions_of_each_sample_in_the_order_of_the_tar(folder):
    summary = embed(folder)
    assert summary == {
        "fingerprint": FINGERPRINT,
        "shards": 3,
        "written": 3,
        "samples": 22,
        "captions": 42,
        "without_caption": 1,
    }
    for name, shard in zip(NAMES, find_shards(str(folder)), strict=True):
        found, texts = load_file(folder / name), read_texts(shard)
        assert (found["embed"].dtype, found["offsets"].dtype) == (np.float16, np.int64)
        np.testing.assert_array_equal(found["offsets"], np.cumsum([0, *map(len, texts)]))
        np.testing.assert_array_equal(found["embed"], rounded(itertools.chain.from_iterable(texts)))
    assert read_texts(folder / "00001.tar")[7] == ()


def test_training_reads_what_was_written(folder):
    embed(folder)
    assert why_not(find_shards(str(folder)), FINGERPRINT) == ""
    data = ShardsConfig(shards=str(folder))
    for batch in itertools.islice(
        build_loader(data, resolution=16, batch=8, seed=0, embeddings=FINGERPRINT), 6
    ):
        assert batch.embed is not None
        np.testing.assert_array_equal(batch.embed.numpy(), rounded(batch.captions))


@pytest.mark.parametrize("batch", [1, 2, 5, 13, 14, 100])
def test_the_batch_need_not_divide_the_number_of_captions(folder, batch):
    embed(folder)
    expected = sidecars(folder)
    shutil.rmtree(folder / "again", ignore_errors=True)
    embed(folder, batch=batch, out=str(folder / "again"))
    assert sidecars(folder / "again") == expected


def test_equal_captions_are_encoded_once():
    seen: list[str] = []

    class Counting(Hashing):
        def __call__(self, captions) -> Condition:
            seen.extend(captions)
            return super().__call__(captions)

    texts = [("a", "b"), ("a",), (), ("c", "b", "a")]
    found = encode(Counting(CONFIG, {}), texts, batch=2, has_tokens=False)
    assert seen == ["a", "b", "c"]
    np.testing.assert_array_equal(found["embed"], rounded(["a", "b", "a", "c", "b", "a"]))
    assert found["offsets"].tolist() == [0, 2, 3, 3, 6]


def test_a_shard_without_captions_has_no_rows(tmp_path):
    write_tar(tmp_path / "0.tar", [("a.png", png())])
    assert embed(tmp_path)["captions"] == 0
    found = load_file(tmp_path / f"0.text-{FINGERPRINT}.safetensors")
    assert (found["embed"].shape, found["offsets"].tolist()) == ((0, 16), [0, 0])


def test_two_workers_write_what_one_writes(folder):
    embed(folder)
    embed(folder, workers=Workers(count=2), out=str(folder / "two"))
    assert sidecars(folder / "two") == sidecars(folder)


def test_bytes_do_not_depend_on_the_order_of_metadata_or_tensors(tmp_path):
    tensors = {"embed": np.ones((2, 3), np.float16), "offsets": np.array([0, 2])}
    strings = {"b": "1", "a": "2"}
    write_sidecar(tmp_path / "x", tensors, strings)
    write_sidecar(tmp_path / "y", dict(reversed(tensors.items())), dict(reversed(strings.items())))
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()
    np.testing.assert_array_equal(load_file(tmp_path / "x")["embed"], tensors["embed"])


def test_a_second_run_writes_nothing_and_a_broken_file_is_made_anew(folder):
    embed(folder)
    before = sidecars(folder)
    path = folder / NAMES[1]
    path.write_bytes(before[NAMES[1]][:-3])
    stamps = [(folder / name).stat().st_mtime_ns for name in (NAMES[0], NAMES[2])]
    assert embed(folder)["written"] == 1
    assert sidecars(folder) == before
    assert [(folder / name).stat().st_mtime_ns for name in (NAMES[0], NAMES[2])] == stamps
    assert embed(folder)["written"] == 0


def test_a_shard_that_was_written_again_is_embedded_again(folder):
    embed(folder)
    size = (folder / "00001.tar").stat().st_size
    write_tar(folder / "00001.tar", [("a.png", png()), ("a.txt", b"another")] * 9)
    assert (folder / "00001.tar").stat().st_size == size  # tars come in steps of 10 kB
    assert embed(folder)["written"] == 1
    assert load_file(folder / NAMES[1])["offsets"].tolist() == list(range(10))


def test_a_shard_that_was_only_copied_is_not_embedded_again(folder):
    embed(folder)
    for shard in find_shards(str(folder)):
        shard.touch()
    assert embed(folder)["written"] == 0


def test_damage_names_the_shard_and_the_others_are_done(folder):
    path = folder / "00001.tar"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"(?s)1 of 3 shards could not be embedded.*00001\.tar: is truncated"):
        embed(folder)
    assert set(sidecars(folder)) == {NAMES[0], NAMES[2]}


def test_a_folder_of_its_own_takes_the_files_of_shards_that_share_names(folder):
    shutil.copytree(folder, folder / "more")
    tasks = embed_tasks(list_shards(f"{folder}::{folder}/more"), str(folder / "out"))
    assert [task.stem for task in tasks] == [f"0000{i}" for i in range(6)]


def test_tokens_are_ragged_and_without_padding(folder):
    embedder = ShardEmbedder(WithTokens(CONFIG, {}), has_tokens=True, batch=3)
    (task, *_) = embed_tasks(list_shards(str(folder)), None)
    embedder(task)
    found = load_file(folder / NAMES[0])
    captions = list(itertools.chain.from_iterable(read_texts(folder / "00000.tar")))
    lengths = [len(caption.split()) for caption in captions]
    np.testing.assert_array_equal(found["token_offsets"], np.cumsum([0, *lengths]))
    words = [len(word) for caption in captions for word in caption.split()]
    np.testing.assert_array_equal(found["tokens"], np.array(words)[:, None] + np.arange(4))
    np.testing.assert_array_equal(found["embed"], rounded(captions))
    assert why_not([folder / "00000.tar"], FINGERPRINT) == ""


def test_tokens_that_are_missing_are_added_and_never_lost(folder):
    embed(folder)
    (task, *_) = embed_tasks(list_shards(str(folder)), None)
    assert ShardEmbedder(WithTokens(CONFIG, {}), has_tokens=True, batch=3)(task).is_new
    assert embed(folder)["written"] == 0
    assert "tokens" in load_file(folder / NAMES[0])


def test_encoders_without_tokens_refuse_to_give_them(tmp_path):
    (tmp_path / "clip.json").write_text(json.dumps(OPEN_CLIP))
    configs = (
        CONFIG,
        SmallClipTextConfig(),
        ClipTextConfig(model=str(tmp_path / "clip.json"), pretrained=None),
    )
    assert {config.kind for config in configs} == set(CONDITIONERS.names()) - {
        "none"
    }  # which reads nothing at all
    for config in configs:
        with pytest.raises(
            UsageError, match=f"--tokens: the encoder {config.kind} gives one embedding a caption"
        ):
            ShardEmbedder(build_conditioner(config), has_tokens=True, batch=1)


def test_an_embedding_beyond_float16_is_an_error():
    class Huge(Hashing):
        def __call__(self, captions) -> Condition:
            return Condition(embed=torch.full((len(captions), 16), 1e6))

    with pytest.raises(DataError, match="too large for float16"):
        encode(Huge(CONFIG, {}), [("a",)], batch=1, has_tokens=False)


def test_the_list_names_encoders_and_the_shards_that_lack_them(folder):
    embed(folder)
    embed(folder, conditioner=HashingConfig(dim=8))
    (folder / "00000.text-hashing-8.safetensors").unlink()
    (folder / NAMES[2]).rename(folder / "00001.text-other.safetensors")
    write_tar(folder / "00001.tar", [("a.txt", b"another")])
    listed = list_embeddings(str(folder))
    assert listed["shards"] == 3
    sixteen, eight, other = (
        next(e for e in listed["encoders"] if e["fingerprint"] == f)
        for f in (FINGERPRINT, "hashing-8", "other")
    )
    assert (sixteen["shards"], sixteen["dim"], sixteen["tokens"]) == (1, 16, False)
    assert sixteen["lacking"] == [f"{folder}/00002.tar"]
    assert "was made from a shard of" in sixteen["unfit"][f"{folder}/{NAMES[1]}"]
    assert eight["lacking"] == [f"{folder}/00000.tar"]
    assert "made by hashing-16" in other["unfit"][f"{folder}/00001.text-other.safetensors"]


def test_urls_give_what_local_folders_give(folder):
    import fsspec

    system = fsspec.filesystem("memory")
    for shard in find_shards(str(folder)):
        system.pipe(f"/embed-in/{shard.name}", shard.read_bytes())
    embed(folder)
    for written in (3, 0):
        assert (
            embed_shards("memory://embed-in", conditioner=CONFIG, workers=ONE, is_quiet=True)["written"]
            == written
        )
    remote = Folder("memory://embed-in")
    assert {name: remote.read(name) for name in NAMES} == sidecars(folder)
    assert read_front(remote, NAMES[0]).strings["fingerprint"] == FINGERPRINT
    assert list_embeddings("memory://embed-in")["encoders"][0]["shards"] == 3


def test_what_stands_in_front_says_what_a_reader_checks(folder):
    embed(folder)
    strings = read_front(Folder(str(folder)), NAMES[1]).strings
    assert strings["input_bytes"] == str((folder / "00001.tar").stat().st_size)
    assert json.loads(strings["conditioner"]) == {"kind": "hashing", "dim": 16, "tokens": False}
    assert (strings["count"], strings["rows"], strings["without_caption"]) == ("8", "14", "1")
    assert sidecar_path(folder / "00001.tar", FINGERPRINT).name == NAMES[1]


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["embed", *map(str, arguments)], env={"COLUMNS": "250"})


def test_the_command_embeds_lists_and_reads_recipes(folder):
    done = invoke(folder, "--conditioner", "hashing", "--workers", 1, "--json")
    assert json.loads(done.stdout)["fingerprint"] == "hashing-64"
    assert invoke(folder, "--recipe", "smoke", "--workers", 1, "--json").exit_code == 0
    listed = json.loads(invoke("--list", folder, "--json").stdout)
    assert {encoder["fingerprint"]: encoder["lacking"] for encoder in listed["encoders"]} == {
        "hashing-64": []
    }
    assert "3 of 3" in invoke(folder, "--list").stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--recipe", "smoke", "--model", "ViT-B-32"),
        ("--recipe", "shapes_clip"),
        ("--conditioner", "hashing", "--pretrained", "openai"),
        ("--conditioner", "clip_text", "--checkpoint", "embedded:shapes_clip"),
        ("--batch", "0"),
    ],
)
def test_options_that_contradict_each_other_are_refused(folder, options):
    assert invoke(folder, *options).exit_code != 0
    assert not sidecars(folder)
