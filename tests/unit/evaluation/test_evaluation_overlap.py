"""Pictures that are made while networks compute are the pictures of a plain loop, to the bit, and so are the rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.backends.cuda import flash_sdp_enabled

from t2igan.data.config import ShapesConfig
from t2igan.data.shapes_shards import write_shapes
from t2igan.errors import DataError
from t2igan.evaluation import collect as collecting
from t2igan.evaluation import store
from t2igan.evaluation.collect import collect
from t2igan.evaluation.preparation import Preparation
from t2igan.evaluation.probes import FeatureProbe
from t2igan.evaluation.source import ImageSource, Picture
from t2igan.evaluation.sources import open_source
from t2igan.evaluation.sources.drawn import DrawnSource
from t2igan.evaluation.sources.rendered import RenderedSource
from t2igan.metrics.config import RandomConvFeaturesConfig
from t2igan.pipeline import TextToImage
from t2igan.text.config import SmallClipTextConfig
from t2igan.text.small_clip import SmallClipText

N, BATCH = 30, 4
CPU = torch.device("cpu")
SMALL = Preparation(24)


@pytest.fixture(scope="module")
def probe() -> FeatureProbe:
    return FeatureProbe(RandomConvFeaturesConfig())


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "set"
    write_shapes(out, n=N, resolution=32, seed=3, config=ShapesConfig(), per_shard=20)
    return out


@pytest.fixture(scope="module")
def sources(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ImageSource]:
    """One of every kind."""
    folder = tmp_path_factory.mktemp("files")
    for number, picture in enumerate(open_source(str(shards)).read(0, N)):
        Image.fromarray(picture.image.permute(1, 2, 0).numpy()).save(folder / f"{number}.png")
    model = TextToImage.from_checkpoint()
    captions = [picture.caption for picture in open_source(str(shards)).read(0, N)]
    return {
        "files": open_source(str(folder), SMALL),
        "shards": open_source(str(shards), SMALL),
        "rendered": RenderedSource(ShapesConfig(), resolution=32, seed=3, n=N),
        "drawn": DrawnSource(model, captions, name="embedded", batch=BATCH),
        "drawn, shrunk": DrawnSource(model, captions, name="embedded", batch=BATCH, preparation=SMALL),
        "drawn with noise": DrawnSource(model, captions, name="embedded", batch=BATCH, noise_mode="random"),
    }


KINDS = ("files", "shards", "rendered", "drawn", "drawn, shrunk", "drawn with noise")


def plain_rows(source: ImageSource, probe: FeatureProbe, chunk: int) -> Tensor:
    """One picture after the other, and one batch after the other."""
    rows = []
    for start in range(0, len(source), chunk):
        images = [picture.image for picture in source.read(start, min(start + chunk, len(source)))]
        rows += [probe(torch.stack(part), [])["features"] for part in batched(images)]
    return torch.cat(rows)


def batched(images: list[Tensor]) -> Iterator[list[Tensor]]:
    yield from (images[start : start + BATCH] for start in range(0, len(images), BATCH))


@pytest.mark.parametrize("kind", KINDS)
def test_overlapped_rows_have_the_bits_of_a_plain_loop_s(
    kind: str, sources: dict[str, ImageSource], probe: FeatureProbe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):  # fmt: skip
    monkeypatch.setattr(store, "CHUNK", 12)
    told: list[tuple[int, int]] = []
    source, before = sources[kind], threading.active_count()
    (rows,) = collect(
        source, [probe], tmp_path, device=CPU, batch=BATCH, on_progress=lambda *at: told.append(at)
    )
    assert torch.equal(rows.all("features"), plain_rows(source, probe, 12))
    assert told == [(done, N) for done in (4, 8, 12, 16, 20, 24, 28, 30)]
    assert threading.active_count() == before


def test_pictures_shrunk_in_threads_are_those_that_pillow_shrinks(sources: dict[str, ImageSource]):
    drawn, shrunk = (list(sources[kind].read(0, N)) for kind in ("drawn", "drawn, shrunk"))
    for large, small in zip(drawn, shrunk, strict=True):
        pixels = Image.fromarray(large.image.permute(1, 2, 0).numpy()).resize(
            (24, 24), Image.Resampling.LANCZOS
        )
        assert small.image.permute(1, 2, 0).numpy().tobytes() == pixels.tobytes()
        assert small.caption == large.caption


class Waiting:
    """Two batches; the second one is not given before a network has begun with the first."""

    name = protocol = fingerprint = "waiting"

    def __init__(self) -> None:
        self.begun, self.has_overlapped, self.warnings = threading.Event(), threading.Event(), list[str]()

    def __len__(self) -> int:
        return 2 * BATCH

    def read(self, start: int, stop: int) -> Iterator[Picture]:
        for number in range(start, stop):
            if number == BATCH:
                assert self.begun.wait(60)
                self.has_overlapped.set()
            yield Picture(torch.zeros(3, 32, 32, dtype=torch.uint8))


class Slow(FeatureProbe):
    """Goes on with the first batch only when the second one is being made."""

    def __init__(self, source: Waiting) -> None:
        super().__init__(RandomConvFeaturesConfig())
        self._source = source

    def __call__(self, images: Tensor, captions: object) -> dict[str, Tensor]:
        self._source.begun.set()
        assert self._source.has_overlapped.wait(60)
        return {"features": torch.zeros(len(images), 1)}


def test_the_next_batch_is_made_while_a_network_is_busy_with_this_one(tmp_path: Path):
    source = Waiting()
    (rows,) = collect(source, [Slow(source)], tmp_path, device=CPU, batch=BATCH)
    assert len(rows.all("features")) == 2 * BATCH


class Breaking:
    """Pictures in memory, up to one that cannot be read."""

    name = protocol = fingerprint = "breaking"

    def __init__(self, good: int) -> None:
        self._good, self.warnings = good, list[str]()

    def __len__(self) -> int:
        return N

    def read(self, start: int, stop: int) -> Iterator[Picture]:
        for number in range(start, stop):
            if number >= self._good:
                raise DataError(f"picture {number} is broken")
            yield Picture(torch.full((3, 32, 32), number, dtype=torch.uint8))


def test_a_picture_that_cannot_be_read_is_the_caller_s_error_and_what_came_before_is_kept(
    probe: FeatureProbe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "CHUNK", 10)
    before, told = threading.active_count(), list[int]()
    with pytest.raises(DataError, match="picture 25 is broken"):
        collect(Breaking(25), [probe], tmp_path, device=CPU, batch=BATCH)
    assert threading.active_count() == before
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    (rows,) = collect(Breaking(N), [probe], tmp_path, device=CPU, batch=BATCH,
                      on_progress=lambda done, total: told.append(total))  # fmt: skip
    assert set(told) == {10}
    assert torch.equal(rows.all("features"), plain_rows(Breaking(N), probe, 10))


def test_a_run_that_its_caller_abandons_leaves_no_thread(probe: FeatureProbe, tmp_path: Path):
    before = threading.active_count()

    def give_up(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(Breaking(N), [probe], tmp_path, device=CPU, batch=BATCH, on_progress=give_up)
    assert threading.active_count() == before


def test_a_batch_of_large_pictures_ends_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(collecting, "BATCH_BYTES", 2.5 * 3 * 32 * 32)
    told: list[int] = []
    collect(Breaking(N), [FeatureProbe(RandomConvFeaturesConfig())], tmp_path, device=CPU, batch=BATCH,
            on_progress=lambda done, total: told.append(done))  # fmt: skip
    assert told == list(range(2, N + 1, 2))


def test_a_frozen_text_tower_leaves_the_process_s_choice_of_attention_alone():
    text = SmallClipText(SmallClipTextConfig(checkpoint="embedded:shapes_scorer"), {})
    tower, seen = text._tower, list[bool]()
    tower.transformer.register_forward_pre_hook(lambda *_: seen.append(flash_sdp_enabled()))
    text(["a red circle"])  # other threads' attention would change with it
    tower(text.token_ids(["a red circle"]))
    assert seen == [True, False]
