"""`eval coco` on a small set in MS-COCO's format: each protocol's captions, pictures and networks, and what may be compared."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import survival
import torch
from PIL import Image

from t2igan import weights
from t2igan.cli.app import main
from t2igan.cli.eval_coco import show
from t2igan.data.config import ShapesConfig
from t2igan.data.shapes import ShapesStream
from t2igan.errors import DataError, UsageError
from t2igan.evaluation import store
from t2igan.evaluation.coco import published
from t2igan.evaluation.coco.annotations import Annotations, check_pictures, read_annotations
from t2igan.evaluation.coco.captions import choose, full_list, ids_hash
from t2igan.evaluation.coco.obstacles import obstacles
from t2igan.evaluation.coco.pictures import Asked
from t2igan.evaluation.coco.protocols import PROTOCOLS
from t2igan.evaluation.coco.request import CocoRequest
from t2igan.evaluation.coco.run import evaluate_coco, write_captions
from t2igan.evaluation.probes import PairProbe, PairRecipe
from t2igan.evaluation.source import Picture
from t2igan.evaluation.sources.files import FilesSource
from t2igan.metrics.config import ClipFeaturesConfig, InceptionConfig
from t2igan.pipeline import TextToImage

COUNT = 48
CHUNK = 20
SMALL = {"resolution": 32, "n": COUNT, "features": "random_conv", "clip": "embedded:shapes_scorer"}
CLIP_TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "layers": 1, "width": 64, "heads": 2},
}


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 pictures of 56 x 40 or 40 x 44 pixels, with 2 to 5 captions each, as both splits."""
    root = tmp_path_factory.mktemp("coco")
    stream = ShapesStream(ShapesConfig(), resolution=40, seed=5)
    images, notes = [], []
    for number in range(COUNT):
        image_id, sample = 1000 - 7 * number, stream.sample(number)
        wide = np.pad(
            sample.image, ((0, 0), (8, 8), (0, 0)) if number % 2 else ((2, 2), (0, 0), (0, 0)), "edge"
        )
        for split in ("val2014", "val2017"):
            (root / split).mkdir(exist_ok=True)
            Image.fromarray(wide).save(root / split / f"{image_id:012d}.jpg", quality=95)
        images.append({"id": image_id, "file_name": f"{image_id:012d}.jpg", "height": 1, "width": 1})
        texts = [
            sample.caption,
            *(f"{sample.caption}, {word}\n" for word in ("again", "seen", "drawn", "so")),
        ]
        notes += [
            {"id": 9000 - 5 * number - k, "image_id": image_id, "caption": text}
            for k, text in enumerate(texts[: 2 + number % 4])
        ]
    (root / "annotations").mkdir()
    for split in ("val2014", "val2017"):
        content = {"info": {}, "images": images, "annotations": notes}
        (root / "annotations" / f"captions_{split}.json").write_text(json.dumps(content))
    return root


def values(result: dict[str, Any]) -> dict[str, float]:
    return {name: found["value"] for name, found in result["metrics"].items()}


def run(coco: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return evaluate_coco(CocoRequest(coco, out=out, **{**SMALL, **changes}))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_runs_and_says_what_it_did_and_why_nothing_compares(
    protocol: str, coco: Path, tmp_path: Path
):
    features = "judge" if protocol == "val2017-5k" else "random_conv"
    result = run(coco, tmp_path, protocol=protocol, features=features)
    distance = result["metrics"][f"fd_{features}"]
    assert distance["value"] > 0
    assert distance["ddof"] == (0 if protocol == "stylegan-t" else 1)
    assert 0.3 < result["metrics"]["clip_score_small_clip"]["value"] < 1
    assert result["pictures"]["count"] == result["reference"]["count"] == COUNT
    assert ("random" if protocol == "stylegan-t" else "const") in result["pictures"]["prepared"]
    assert result["recipe"][0] == f"protocol {protocol}, 32 px"
    reasons = " ".join(result["obstacles"]["fid"])
    for part in ("is no FID", "32 px, and", "48 pictures instead of", "has 48 images"):
        assert part in reasons
        assert any(part in line for line in result["warnings"])
    assert json.loads((tmp_path / "coco.json").read_text()) == result
    assert len((tmp_path / "captions.txt").read_text().splitlines()) == COUNT


def run_protocols(folder: str, coco: str, places: list[dict[str, str]]) -> None:
    """What each of two processes does: all protocols, each in a group of its own."""
    torch.set_num_threads(1)
    store.CHUNK = CHUNK
    for protocol, place in zip(PROTOCOLS, places, strict=True):
        os.environ.update(place)
        words = f"eval coco --coco {coco} --protocol {protocol} --resolution 32 --n {COUNT} --features random_conv"
        assert main(f"{words} --clip embedded:shapes_scorer --out {folder}/{protocol}".split()) == 0


def test_two_processes_give_the_numbers_of_one(coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "CHUNK", CHUNK)
    groups = [survival.places(2) for _ in PROTOCOLS]
    ranks = [
        survival.SERVER.Process(
            target=run_protocols, args=(str(tmp_path), str(coco), list(places)), daemon=True
        )
        for places in zip(*groups, strict=True)
    ]
    for rank in ranks:
        rank.start()
    alone = {name: run(coco, tmp_path / f"{name}-alone", protocol=name) for name in PROTOCOLS}
    assert [survival.code_of(rank) for rank in ranks] == [0, 0]
    for name, expected in alone.items():
        together = json.loads((tmp_path / name / "coco.json").read_text())
        assert values(together) == values(expected)
        assert together["captions"] == expected["captions"]
        assert (
            len(list((tmp_path / name).rglob("*.safetensors"))) == 3 * 3
        )  # two networks, and the reference of one


def test_a_killed_run_goes_on_where_it_was(coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "CHUNK", CHUNK)
    request, totals = CocoRequest(coco, out=tmp_path, **{**SMALL, "clip": "none"}), set[int]()
    first = evaluate_coco(request)
    for path in list(tmp_path.rglob("000001.safetensors")):
        path.unlink()
    again = evaluate_coco(request, on_progress=lambda done, total: totals.add(total))
    assert values(again) == values(first)
    assert totals == {CHUNK}


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
    with pytest.raises(DataError, match=r"has 300 images, clean30k takes 301 captions .* a smaller --n"):
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


def test_pictures_drawn_elsewhere_score_as_the_model_that_drew_them(coco: Path, tmp_path: Path):
    captions, folder = tmp_path / "captions.txt", tmp_path / "drawn"
    request = CocoRequest(coco, out=tmp_path / "model", **{**SMALL, "n": 12})
    assert write_captions(request, captions) == 12
    own = evaluate_coco(request)
    folder.mkdir()
    texts = [
        c.caption for c in choose(read_annotations(coco, "val2014"), PROTOCOLS["clean30k"], n=12, seed=0)
    ]
    for number, image in enumerate(TextToImage.from_checkpoint().generate(texts, range(12))):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{number}.png")
    given = replace(
        request, images=folder, captions=captions, n=None, out=tmp_path / "given", cache=tmp_path / "cache"
    )
    found = evaluate_coco(given)
    assert values(found) == pytest.approx(values(own), rel=1e-6)
    assert not any("captions" in line for line in found["obstacles"]["fid"] if "list" in line)
    lines = captions.read_text().splitlines()
    captions.write_text("\n".join(lines[::-1]))
    shuffled = evaluate_coco(given)
    assert values(shuffled)["clip_score_small_clip"] < values(own)["clip_score_small_clip"] - 0.1
    assert "the captions are not clean30k's list, in its order" in shuffled["obstacles"]["fid"]
    captions.write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match="11 captions for the 12 pictures"):
        evaluate_coco(given)


def test_a_score_by_the_model_s_own_text_encoder_is_warned_of(coco: Path, tmp_path: Path):
    result = run(coco, tmp_path, n=4, clip="embedded:shapes_clip")
    assert any(
        "embedded:shapes_clip, whose CLIP score it has learned to please" in w for w in result["warnings"]
    )


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "clean-30k"}, "did you mean 'clean30k'"),
        ({"resolution": 64}, "draws 32 px, and nothing is enlarged to 64"),
        ({"captions": Path("x")}, "chooses its own captions"),
        ({"images": Path("x")}, "Give --captions FILE"),
        ({"images": Path("x"), "model": "y"}, "Give one of them"),
        ({"images": Path("x"), "captions": Path("x"), "psi": 0.5}, "--psi is a model's"),
        ({"n": 1}, "--n 2 or more"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(
    changes: dict[str, Any], message: str, coco: Path, tmp_path: Path
):
    with pytest.raises(UsageError, match=message):
        run(coco, tmp_path, **changes)


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


def test_a_result_that_is_no_fid_or_not_by_its_protocol_gets_no_published_number(coco: Path, tmp_path: Path):
    result = run(coco, tmp_path, n=4, clip="none")
    with pytest.raises(UsageError, match="compares with no published number: fd_random_conv is no FID"):
        published.beside(result, "fid")
    with pytest.raises(UsageError, match="there is none"):
        published.beside(result, "clip_score")
    genuine = {"protocol": "gigagan", "resolution": 256, "obstacles": {"fid": [], "clip_score": ["x"]}}
    assert len(published.beside(genuine, "fid")) > 20
    assert PairRecipe().text == "image and caption"


def test_the_table_shows_own_and_published_numbers_and_a_result_with_obstacles_no_table(
    coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    result = run(coco, tmp_path, n=4, clip="none", protocol="stylegan-t")
    show(result)
    text = capsys.readouterr().out
    assert "GigaGAN" not in text
    assert "note: fd_random_conv is no FID" in text
    assert result["captions"]["list_sha256"] in text
    fid = {"value": 12.3456, "network": "inception"}
    show(
        result
        | {
            "resolution": 256,
            "metrics": {"fid_legacy_tensorflow": fid},
            "obstacles": {"fid": [], "clip_score": [""]},
        }
    )
    lines = {
        line.split("  ")[1].strip(): line for line in capsys.readouterr().out.splitlines() if "  " in line
    }
    header = lines["model"]
    assert (
        lines["embedded:shapes"].index("12.35")
        == lines["StyleGAN-T"].index("13.9")
        == header.index("FID, stylegan-t")
    )
    assert lines["DALL-E 2"].index("10.39") == header.index("other protocol")
