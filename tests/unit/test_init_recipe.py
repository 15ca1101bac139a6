"""Data and machine to a first recipe: every branch of the policy loads, and says why."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from t2igan.data.inspect import Inspection
from t2igan.errors import DataError, UsageError
from t2igan.init_recipe.clip_text import clip_text
from t2igan.init_recipe.findings import rows, warnings
from t2igan.init_recipe.gan_text import gan_text
from t2igan.init_recipe.policy import Machine, choose
from t2igan.init_recipe.run import Report, init_recipe
from t2igan.init_recipe.table import SIZES
from t2igan.init_recipe.text import Case, quoted
from t2igan.models import build_generator
from t2igan.models.stylegan_t.config import StyleGANTConfig
from t2igan.recipe.docs import SCHEMA_NAME
from t2igan.recipe.load import load_recipe
from t2igan.recipe.schema import EncoderRecipe, GanRecipe
from t2igan.train.saving import numbered

CPU = Machine("cpu", 2)
GPUS = [Machine("cuda", 16, gib, "GPU") for gib in (8.0, 24.0, 80.0)]
NO_GPU_HERE = Machine("cuda", 2)


def inspection(
    pictures: int = 3000, side: int = 256, words: tuple[int, ...] = (3, 5, 11), **facts: Any
) -> Inspection:
    """Square pictures, a hundred of them looked at."""
    looked_at = min(pictures, 100)
    found = Inspection(
        "set", "shards", pictures, looked_at, ((side, side),) * looked_at, words, len(words), {}, {}
    )
    return replace(found, **facts)


def sides(*shares: tuple[float, int]) -> tuple[tuple[int, int], ...]:
    """Sizes of a hundred square pictures by (share, side)."""
    return tuple((side, side) for share, side in shares for _ in range(round(100 * share)))


def recipes(
    found: Inspection,
    machine: Machine,
    folder: Path,
    *,
    shards: str = "datasets/x",
    resolution: int | None = None,
) -> tuple[GanRecipe, EncoderRecipe]:
    """Both recipes, through a file as a user would load them."""
    case = Case(
        found, machine, choose(found, machine, resolution=resolution), "run", folder / "run.yaml", shards
    )
    case.out.write_text(gan_text(case), encoding="utf-8")
    case.clip_out.write_text(clip_text(case), encoding="utf-8")
    gan, clip = load_recipe(case.out), load_recipe(case.clip_out)
    assert isinstance(gan, GanRecipe)
    assert isinstance(clip, EncoderRecipe)
    return gan, clip


MACHINES = [CPU, *GPUS, NO_GPU_HERE]
COUNTS = [1, 70, 999, 1000, 4999, 5000, 99_999, 100_000, 3_000_000]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.device}{m.memory_gib or ''}")
def test_every_branch_gives_recipes_that_load(machine: Machine, tmp_path: Path):
    for pictures, side, resolution in product(COUNTS, (32, 100, 600), (None, 16, 32)):
        gan, clip = recipes(inspection(pictures, side), machine, tmp_path, resolution=resolution)
        assert gan.stages[-1].resolution == gan.generator.resolution == clip.encoder.image_size
        assert gan.data == clip.data
    for resolution in (64, 128, 256, 512):
        recipes(inspection(side=600), machine, tmp_path, resolution=resolution)


def test_the_full_networks_meet_on_the_width_of_clip(tmp_path: Path):
    gan, _ = recipes(inspection(), GPUS[1], tmp_path)
    assert gan.conditioner.kind == "clip_text"
    assert gan.discriminator.backbone.kind == "dino"
    assert gan.generator.c_dim == gan.discriminator.c_dim == 768


def test_guidance_and_dropped_features_depend_on_memory_and_pictures(tmp_path: Path):
    small, large = (recipes(inspection(), machine, tmp_path)[0] for machine in (GPUS[0], GPUS[1]))
    assert (small.loss.guide, small.loss.clip_weight) == (None, 0)
    assert large.loss.guide is not None
    assert large.discriminator.feature_drop > 0
    assert recipes(inspection(100_000), GPUS[1], tmp_path)[0].discriminator.feature_drop == 0


def test_on_a_cpu_the_gan_reads_and_looks_through_the_clip_that_is_trained_first(tmp_path: Path):
    for pictures in (3, 70, 3000, 40_000, 10**6):
        gan, clip = recipes(inspection(pictures), CPU, tmp_path)
        steps = -(-round(clip.kimg * 1000) // clip.train.batch)
        written = numbered(Path("runs") / clip.name / "snapshots", steps * clip.train.batch).as_posix()
        assert gan.conditioner.model_dump()["checkpoint"] == written
        assert gan.discriminator.backbone.model_dump()["checkpoint"] == written


@pytest.mark.parametrize(
    ("sizes", "machine", "resolution"),
    [
        (sides((1, 600)), CPU, 32),
        (sides((1, 600)), GPUS[0], 64),
        (sides((1, 600)), GPUS[1], 128),
        (sides((1, 600)), GPUS[2], 256),
        (sides((0.1, 127), (0.9, 128)), GPUS[2], 128),
        (sides((0.11, 127), (0.89, 128)), GPUS[2], 64),
        (sides((1, 63)), GPUS[2], 32),
        (sides((0.5, 31), (0.5, 600)), GPUS[2], 32),
    ],
)
def test_the_resolution_is_the_largest_that_nine_of_ten_reach_and_the_machine_can_train(
    sizes: tuple[tuple[int, int], ...], machine: Machine, resolution: int
):
    assert choose(inspection(sizes=sizes), machine).resolution == resolution


@pytest.mark.parametrize("resolution", [0, 8, 48, 1024, -64])
def test_a_resolution_that_cannot_be_is_refused(resolution: int):
    with pytest.raises(UsageError, match="power of two from 16 to 512"):
        choose(inspection(), CPU, resolution=resolution)


def test_a_resolution_that_no_picture_reaches_is_an_error_with_the_largest_side():
    with pytest.raises(DataError, match=r"no picture is 512 px .* largest has 256"):
        choose(inspection(), CPU, resolution=512)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.device}{m.memory_gib or ''}")
def test_more_pictures_never_mean_a_smaller_model_or_a_shorter_run(machine: Machine):
    plans = [choose(inspection(count), machine) for count in COUNTS]
    for key in ("channel_base", "kimg", "clip_kimg", "clip_batch"):
        values = [getattr(plan, key) for plan in plans]
        assert values == sorted(values), key


def test_the_parameters_that_the_table_names_are_those_of_its_generators():
    for row in SIZES["cuda"]:
        config = StyleGANTConfig(
            channel_base=row.channel_base, channel_max=row.channel_max, num_res_blocks=row.num_res_blocks
        )
        with torch.device("meta"):
            network = build_generator(config)  # 64 px by default
        count = sum(p.numel() for p in network.parameters())
        assert f"{count / 1e6:.0f} million parameters" in row.why


def test_stages_split_the_images_and_end_at_the_resolution():
    for count, machine in product(COUNTS, GPUS):
        plan = choose(inspection(count, 600), machine)
        assert [s.resolution for s in plan.stages] == [64 << i for i in range(len(plan.stages))]
        assert sum(s.kimg for s in plan.stages) == pytest.approx(plan.kimg, rel=0.05)  # each has two digits
        for stage in plan.stages:
            assert stage.batch_gpu is not None
            assert plan.size.batch % stage.batch_gpu == stage.batch_gpu % 8 == 0


def test_longer_captions_get_a_longer_context():
    contexts = [choose(inspection(words=(n,) * 20), CPU).context_length for n in (1, 12, 13, 18, 24, 30, 200)]
    assert contexts == [32, 32, 48, 48, 64, 77, 77]


def test_one_long_caption_in_a_hundred_changes_nothing():
    assert choose(inspection(words=(5,) * 99 + (300,)), CPU).context_length == 32


def test_samples_of_shards_that_will_be_skipped_are_allowed_for():
    found = inspection(sizes=sides((0.7, 64), (0.1, 20)), problems={"no caption": 20})
    plan = choose(found, CPU)
    assert plan.usable_share == pytest.approx(0.7)
    assert plan.max_bad_fraction == 0.4
    assert choose(replace(found, kind="folder"), CPU).max_bad_fraction is None  # the import leaves them out
    assert choose(inspection(), CPU).max_bad_fraction is None


def test_numbers_that_come_from_the_data_say_so(tmp_path: Path):
    found = inspection(3005, sizes=((300, 256),) * 100, words=(1, 3, 5, 5, 11))
    recipes(found, CPU, tmp_path)
    gan, clip = ((tmp_path / name).read_text() for name in ("run.yaml", "run_clip.yaml"))
    for text in (gan, clip):
        assert "# The data: about 3,005 pictures, 256 px on the shorter side (median 256);" in text
        assert "# captions of 1 to 11 words (median 5; 95 % have at most 11)." in text
    assert "# 600,000 images are 200 looks at each of 3,005 pictures\n  - {resolution: 32, kimg: 600}" in gan
    assert "kimg: 51.2    # 17 looks at each of 3,005 pictures" in clip
    assert "about 1.9 hours on one core" in gan


def test_the_recipe_for_a_gpu_says_what_is_a_guess_and_what_is_assumed(tmp_path: Path):
    recipes(inspection(), NO_GPU_HERE, tmp_path)
    text = (tmp_path / "run.yaml").read_text()
    assert text.count("a guess") >= 4
    assert "one GPU of 24 GiB (assumed)" in text
    assert "not measured yet" in text


NASTY = [
    "a: b # c", "x' \"y\"", "{00000..00331}.tar", "a\nseeds: 1", "a\u2028name: x", "a\x85b", "日本 🙂", "- *a &b !c", "true",
    "x" * 400,
]  # fmt: skip


@pytest.mark.parametrize("text", NASTY)
def test_any_path_comes_back_as_it_was_and_breaks_no_comment(text: str, tmp_path: Path):
    gan, clip = recipes(replace(inspection(), source=text), CPU, tmp_path, shards=text)
    assert gan.data.model_dump()["shards"] == clip.data.model_dump()["shards"] == text
    assert len(quoted(text).splitlines()) == 1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four captioned pictures below the current folder."""
    path = tmp_path / "my pictures"
    path.mkdir()
    for i in range(4):
        Image.new("RGB", (40, 40)).save(path / f"{i}.png")
        (path / f"{i}.txt").write_text(f"picture {i}")
    monkeypatch.chdir(tmp_path)
    return path


def written(
    out: str = "mine.yaml", data: str = "my pictures", machine: Machine = CPU, **options: Any
) -> Report:
    return init_recipe(data, Path(out), machine=machine, **options)


def test_a_folder_gets_the_import_as_its_first_command(folder: Path):
    report = written()
    assert report.files == ["mine_clip.yaml", "mine.yaml"]
    assert report.commands == [
        "t2igan data import 'my pictures' --size 32 --out datasets/my_pictures",
        "t2igan train --recipe mine_clip.yaml",
        "t2igan train --recipe mine.yaml",
    ]
    gan = load_recipe("mine.yaml")
    assert (gan.name, gan.data.model_dump()["shards"]) == ("mine", "datasets/my_pictures")


def test_on_a_gpu_there_is_one_recipe_and_no_small_clip(folder: Path):
    report = written(machine=GPUS[0])
    assert report.files == ["mine.yaml"]
    assert not Path("mine_clip.yaml").exists()
    assert report.commands[1:] == ["t2igan train --recipe mine.yaml"]
    assert "CLIP ViT-L-14" in " ".join(report.notes)


def test_splits_lead_to_the_folder_of_their_shards(folder: Path):
    rows = [
        f'{{"file_name": "{i}.png", "text": "x", "split": "{"train" if i else "test"}"}}' for i in range(4)
    ]
    (folder / "metadata.jsonl").write_text("\n".join(rows))
    written()
    assert load_recipe("mine.yaml").data.model_dump()["shards"] == "datasets/my_pictures/train"


def test_shards_are_never_planned_inside_the_folder_that_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)
    report = written(data=".")
    assert report.commands[0] == "t2igan data import . --size 32 --out ../my_pictures_shards"


@pytest.mark.parametrize("there", ["mine.yaml", "mine_clip.yaml"])
def test_a_recipe_that_exists_is_kept_unless_told_otherwise(folder: Path, there: str):
    Path(there).write_text("mine")
    with pytest.raises(UsageError, match=f"{there}: exists already"):
        written()
    assert Path(there).read_text() == "mine"
    assert len(list(Path().glob("*.yaml"))) == 1
    written(overwrite=True)
    assert load_recipe(there).name == there.removesuffix(".yaml")


def test_a_name_that_no_run_can_have_is_mended(folder: Path):
    for stem, name in (("my run!", "my_run_"), ("12", "12"), ("日本", "run"), (".x", "x"), ("true", "true")):
        written(f"{stem}.yaml")
        assert load_recipe(Path(f"{stem}.yaml")).name == name


def test_a_recipe_must_be_called_yaml(folder: Path):
    with pytest.raises(UsageError, match=r"ends in \.yaml"):
        written("run.json")


def test_the_editor_is_told_of_a_schema_that_exists(folder: Path, tmp_path: Path):
    for out in ("mine.yaml", "deep/mine.yaml"):
        written(out)
        found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", Path(out).read_text())
        assert found is None or Path(found[1]).name == SCHEMA_NAME
        assert found is None or Path(found[1]).is_file()
    Path(SCHEMA_NAME).write_text("{}")
    written(overwrite=True)
    assert Path("mine.yaml").read_text().startswith(f"# yaml-language-server: $schema={SCHEMA_NAME}\n")


@pytest.mark.parametrize(
    ("facts", "machine", "words"),
    [
        ({"pictures": 499}, CPU, "499 pictures are few"),
        ({"sizes": sides((0.6, 64), (0.4, 20))}, CPU, "40 % of the pictures are smaller than 32 px"),
        ({"sizes": ((200, 100),) * 100}, CPU, "leaves out 50 % of the average one"),
        ({"problems": {"no caption": 5}}, CPU, "5 of 100 pictures have no caption"),
        ({"problems": {"too many pixels": 5}}, CPU, "5 x too many pixels"),
        ({"distinct_captions": 1}, CPU, "all captions are the same"),
        ({"words": (90,) * 9}, CPU, "captions longer than about 30 words are cut"),
        ({"words": (90,) * 9}, GPUS[0], "captions longer than about 46 words are cut"),
        ({"splits": {"a": 9, "b": 2000}, "kind": "folder"}, CPU, "training uses the largest, 'b'"),
    ],
)
def test_what_will_hurt_training_is_one_warning_with_what_to_do(
    facts: dict[str, Any], machine: Machine, words: str
):
    found = inspection(**facts)
    (warning,) = warnings(found, choose(found, machine), machine)
    assert words in warning


def test_good_data_bring_no_warning():
    for machine in MACHINES:
        assert warnings(inspection(), choose(inspection(), machine), machine) == []


def test_the_table_says_what_was_found_and_how_much_was_looked_at():
    table = rows(inspection(3000, sizes=sides((0.5, 64), (0.5, 100)), problems={"no caption": 3}))
    assert table["pictures"] == "about 3,000 pictures, 64 to 100 px on the shorter side (median 100)"
    assert table["reach"] == "32 px: 100 %, 64 px: 100 %, 128 px: 0 %, 256 px: 0 %, 512 px: 0 %"
    assert table["captions"] == "3 to 11 words (median 5; 95 % have at most 11); at least 3 different ones"
    assert table["unusable"] == "3 x no caption"
    assert table["looked at"].startswith("100 of 3,000")
    assert "looked at" not in rows(inspection(50))
