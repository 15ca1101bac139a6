"""The protocols of `eval coco`: captions, crops, networks and published numbers, each against a known answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_coco import write_coco

from t2igan import weights
from t2igan.errors import DataError
from t2igan.evaluation.coco import published
from t2igan.evaluation.coco.annotations import Annotations, check_pictures, read_annotations
from t2igan.evaluation.coco.captions import choose, full_list, ids_hash
from t2igan.evaluation.coco.obstacles import obstacles
from t2igan.evaluation.coco.pictures import Asked
from t2igan.evaluation.coco.protocols import PROTOCOLS
from t2igan.evaluation.coco.request import CocoRequest
from t2igan.evaluation.probes import PairProbe
from t2igan.evaluation.source import Picture
from t2igan.evaluation.sources.files import FilesSource
from t2igan.metrics.config import ClipFeaturesConfig, InceptionConfig

CLIP_TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "layers": 1, "width": 64, "heads": 2},
}


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coco(tmp_path_factory.mktemp("coco"))


def annotations_of(captions: dict[int, int]) -> Annotations:
    """Images with so many captions each, numbered through."""
    texts, at = {}, 0
    for image, count in sorted(captions.items()):
        texts[image] = [(at + k, f"{image}.{k}") for k in range(count)]
        at += count
    return Annotations(Path("made.json"), "", {image: f"{image}.jpg" for image in texts}, texts, 0)


def test_the_list_of_captions_is_the_one_that_the_rule_names():
    made = annotations_of({11: 2, 12: 5, 15: 3, 20: 1})
    order = np.random.RandomState(0).permutation(4).tolist()
    assert order == [2, 3, 1, 0]
    found = [(choice.image_id, choice.caption) for choice in full_list(made)]
    assert found == [(15, "15.1"), (20, "20.0"), (12, "12.3"), (11, "11.1")]
    lines = "".join(f"{c.image_id} {c.annotation_id}\n" for c in full_list(made))
    assert ids_hash(full_list(made)) == hashlib.sha256(lines.encode()).hexdigest()


def test_listed_captions_never_repeat_an_image_and_drawn_ones_keep_one_caption_an_image():
    made = annotations_of(dict.fromkeys(range(100, 400), 5))
    listed = choose(made, PROTOCOLS["clean30k"], n=300, seed=7)
    assert len({choice.image_id for choice in listed}) == 300
    assert choose(made, PROTOCOLS["clean30k"], n=40, seed=1) == listed[:40]
    drawn = choose(made, PROTOCOLS["stylegan-t"], n=300, seed=0)
    images = {choice.image_id for choice in drawn}
    assert len({choice.annotation_id for choice in drawn}) == len(images)
    assert len(images) == pytest.approx(
        300 * (1 - np.exp(-1)), abs=15
    )  # as 30,000 draws of 40,504 give 21,190
    assert choose(made, PROTOCOLS["stylegan-t"], n=300, seed=1) != drawn
    with pytest.raises(DataError, match=r"has 300 images, clean30k takes 301 captions .* a smaller --count"):
        choose(made, PROTOCOLS["clean30k"], n=301, seed=0)


def test_the_reference_is_cut_then_shrunk_by_lanczos_at_64_px_by_way_of_256(tmp_path: Path):
    rng, made = np.random.default_rng(0), {}
    for name, size in {"1.png": (300, 411), "2.png": (90, 70)}.items():
        made[name] = Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        made[name].save(tmp_path / name)

    def by_hand(picture: Image.Image, *sizes: int) -> np.ndarray:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side))
        for size in sizes:
            square = square.resize((size, size), Image.Resampling.LANCZOS)
        return np.array(square)

    for protocol, resolution, sizes in (
        ("clean30k", 256, (256,)),
        ("clean30k", 64, (64,)),
        ("stylegan-t", 64, (256, 64)),
        ("gigagan", 256, (256,)),
    ):
        source = FilesSource(tmp_path, PROTOCOLS[protocol].reference(resolution))
        for picture, original in zip(source.read(0, 2), made.values(), strict=True):
            assert np.array_equal(picture.image.permute(1, 2, 0).numpy(), by_hand(original, *sizes))


def test_each_protocol_has_its_resize_covariance_and_noise():
    facts = {
        name: (protocol.features(), protocol.ddof, protocol.noise, protocol.count, protocol.split)
        for name, protocol in PROTOCOLS.items()
    }
    assert facts == {
        "clean30k": (InceptionConfig(), 1, "const", 30_000, "val2014"),
        "stylegan-t": (InceptionConfig(resize="legacy_tensorflow"), 0, "random", 30_000, "val2014"),
        "gigagan": (InceptionConfig(), 1, "const", 30_000, "val2014"),
        "val2017-5k": (InceptionConfig(), 1, "const", 5_000, "val2017"),
    }
    assert all(p.clip == ClipFeaturesConfig() for p in PROTOCOLS.values())  # ViT-g-14, as the papers' code


class Pictures:
    """So many, and none of them is ever read."""

    name = fingerprint = protocol = ""

    def __init__(self, count: int) -> None:
        self.count, self.warnings = count, list[str]()

    def __len__(self) -> int:
        return self.count

    def read(self, start: int, stop: int) -> Iterator[Picture]:
        raise AssertionError


def test_only_a_run_by_the_protocol_s_own_recipe_on_the_true_counts_meets_no_obstacle():
    made = annotations_of(dict.fromkeys(range(40_504), 1))
    for protocol, name in (("clean30k", "fid"), ("stylegan-t", "fid_legacy_tensorflow"), ("gigagan", "fid")):
        request = CocoRequest(Path("coco"), protocol=protocol)
        assert request.metrics()[0].name == name
        asked = Asked(Pictures(30_000), [], None, is_shrunk=protocol == "gigagan")
        assert obstacles(request, made, asked) == {"fid": [], "clip_score": []}
        for worse, count in ((replace(request, resolution=128), 30_000), (request, 29_999)):
            found = obstacles(worse, made, replace(asked, pictures=Pictures(count)))
            assert [len(lines) for lines in found.values()] == [1, 1]
        other = obstacles(replace(request, clip="ViT-bigG-14/laion2b_s39b_b160k"), made, asked)
        assert [len(lines) for lines in other.values()] == [0, 1]
    shrunk = Asked(Pictures(30_000), [], None, is_shrunk=True)
    assert obstacles(CocoRequest(Path("coco"), protocol="stylegan-t"), made, shrunk)["fid"] == [
        "drawn larger than 256 px, and stylegan-t measures what is drawn at that size"
    ]


@pytest.fixture
def tiny_clip(tmp_path: Path) -> ClipFeaturesConfig:
    path = tmp_path / "t2i-coco-test.json"
    path.write_text(json.dumps(CLIP_TINY))
    return ClipFeaturesConfig(model=str(path), pretrained=None)


def test_stylegan_t_s_clip_sees_bicubic_without_antialias_and_gigagan_s_what_open_clip_prepares(
    tiny_clip: ClipFeaturesConfig,
):
    torch.manual_seed(0)
    model = weights.open_clip_model(tiny_clip.model)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    mean, std = (torch.tensor(model.visual.preprocess_cfg[key])[:, None, None] for key in ("mean", "std"))
    plain = torch.nn.functional.interpolate(images / 255, size=(16, 16), mode="bicubic")
    pillow = [
        Image.fromarray(i.permute(1, 2, 0).numpy()).resize((16, 16), Image.Resampling.BICUBIC) for i in images
    ]
    shrunk = torch.stack([torch.from_numpy(np.array(p)).permute(2, 0, 1) for p in pillow]) / 255
    captions, depicts = ["a cat", "a dog " * 60], "A photo depicts "
    for recipe, x, texts in (
        (PROTOCOLS["stylegan-t"].pairs, plain, captions),
        (PROTOCOLS["gigagan"].pairs, shrunk, [depicts + text for text in captions]),
    ):
        torch.manual_seed(0)
        found = PairProbe(tiny_clip, recipe)(images, captions)
        tokens = weights.open_clip_tokenizer(tiny_clip.model)(texts)
        with torch.no_grad():
            torch.testing.assert_close(
                found["image"], model.encode_image((x - mean) / std), rtol=0, atol=1e-4
            )
            torch.testing.assert_close(found["text"], model.encode_text(tokens))
    assert not torch.allclose(plain, shrunk, atol=0.05)


def test_tokens_of_a_prefix_and_a_caption_are_those_of_both_and_the_last_is_always_the_end(
    tiny_clip: ClipFeaturesConfig,
):
    tokenizer = weights.open_clip_tokenizer(tiny_clip.model)
    start, end = 49406, 49407
    both, long = tokenizer(
        [PROTOCOLS["gigagan"].pairs.prefix + "two Dogs, running", "A photo depicts " + "cat " * 99]
    )
    own = [t for text in ("A photo depicts", "two Dogs, running") for t in tokenizer.encode(text)]
    assert both[: len(own) + 2].tolist() == [start, *own, end]
    assert long[76] == end


def change(key: str, number: int, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[key][number].update(fields)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content.pop("annotations"), "has no lists `images` and `annotations`"),
        (lambda content: [note.pop("caption") for note in content["annotations"]], "have no captions; boxes"),
        (change("images", 3, id="3"), "image 3: its 'id' is '3', not of type int"),
        (change("images", 3, file_name="../3.jpg"), "is no file name of a picture"),
        (change("images", 3, id=1000), "image id 1000 occurs twice"),
        (change("annotations", 2, caption=None), "annotation 2: its 'caption' is None"),
        (change("annotations", 2, image_id=5), "describes image 5, which is not listed"),
        (change("annotations", 2, id=9000), "annotation id 9000 occurs twice"),
        (
            lambda content: content["images"].append({"id": 1, "file_name": "1.jpg"}),
            "1 images have no caption",
        ),
    ],
)
def test_a_file_that_is_not_ms_coco_s_captions_is_refused(
    spoil: Callable[[dict[str, Any]], None], message: str, coco: Path, tmp_path: Path
):
    content = json.loads((coco / "annotations/captions_val2014.json").read_text())
    spoil(content)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/captions_val2014.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        read_annotations(tmp_path, "val2014")


def test_a_missing_file_and_pictures_of_another_split_are_refused(coco: Path, tmp_path: Path):
    with pytest.raises(DataError, match="--coco is the folder that holds annotations/"):
        read_annotations(tmp_path, "val2014")
    with pytest.raises(
        DataError, match=r"cannot be read .*; there are captions_val2014.json, captions_val2017.json"
    ):
        read_annotations(coco, "train2014")
    (tmp_path / "val2014").mkdir()
    made = read_annotations(coco, "val2014")
    with pytest.raises(DataError, match="48 pictures are missing"):
        check_pictures(made, tmp_path / "val2014")
    with pytest.raises(DataError, match="is no folder"):
        check_pictures(made, tmp_path / "val2015")
    named = {image: f"{image}.jpg" for image in made.names}
    for name in (*named.values(), "more.jpg"):
        (tmp_path / "val2014" / name).touch()
    with pytest.raises(DataError, match=r"1 pictures are not in the captions file, more.jpg"):
        check_pictures(replace(made, names=named), tmp_path / "val2014")


def test_published_numbers_of_another_protocol_stand_in_another_column_under_a_mark():
    for protocol in PROTOCOLS:
        for line in published.place(protocol, 256, "fid"):
            is_same = line.row.protocol == protocol
            assert (line.same, line.other)[is_same] is None
            assert (line.same, line.other)[not is_same] == line.row.value
            assert line.mark == ("" if is_same else "other protocol")
    same = [line.row.model for line in published.place("stylegan-t", 256, "fid") if line.same]
    assert same == ["StyleGAN-T"]
    assert [line.same for line in published.place("stylegan-t", 64, "fid")][:2] == [7.30, None]
    assert 9.09 in [line.same for line in published.place("gigagan", 256, "fid")]
    assert not any(
        line.same for name in ("clean30k", "val2017-5k") for line in published.place(name, 256, "fid")
    )


def test_every_published_row_has_a_source_and_a_protocol_that_is_known_or_said_to_be_unknown():
    rows = published.published()
    assert {row.protocol for row in rows} == {"stylegan-t", "gigagan", "own", "unknown"}
    assert all(row.source and (row.protocol in PROTOCOLS or row.measured_by != row.protocol) for row in rows)
    known = {(row.model, row.value): row.protocol for row in rows if row.protocol in PROTOCOLS}
    assert known == {
        ("StyleGAN-T", 13.9): "stylegan-t",
        ("StyleGAN-T", 7.3): "stylegan-t",
        ("GigaGAN", 9.09): "gigagan",
        ("GigaGAN, its evaluation code", 9.06): "gigagan",
        ("GigaGAN, diffusion noise as augmentation", 12.16): "gigagan",
        ("SD 1.5", 9.62): "gigagan",
        ("SD 1.5, cfg 3, 50 PNDM steps", 8.78): "gigagan",
        ("DMD", 11.49): "gigagan",
    }
