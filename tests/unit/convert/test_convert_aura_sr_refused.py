"""What is no AuraSR model, or a hostile one, is refused in one line, and nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from aura_sr_files import reference, write_model
from torch import Tensor

from t2igan.convert.aura_sr import load_upsampler
from t2igan.convert.aura_sr_config import config_of, read_config
from t2igan.convert.aura_sr_file import convert
from t2igan.errors import CheckpointError, T2IGanError, UsageError, WeightsError
from t2igan.upscaler.place import place_of

WEIGHTS, CONFIG, _ = reference()


def test_python_literals_inside_strings_stay_as_they_are():
    found = read_config('{"a": True, "b": None, "True": "is \\"False\\" None"}', source="it")
    assert found == {"a": True, "b": None, "True": 'is "False" None'}


@pytest.mark.parametrize("text", ["[1]", "{", "", "__import__('os')", "{'a': 1}", "[" * 60_000])
def test_a_config_that_is_no_json_object_is_refused(text: str):
    with pytest.raises(CheckpointError, match="it: not"):
        read_config(text, source="it")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"unconditional": False}, "only text-free AuraSR models are known"),
        ({"dimm": 2}, "unknown key 'dimm'; did you mean 'dim'"),
        ({"dim": None}, "dim"),
        ({"dim": "2"}, "dim"),
        ({"dim": -2}, "dim: Input should be greater than or equal to 1"),
        ({"dim": 10**30}, "too large or not finite"),
        ({"mid_attn_depth": 10**9}, "mid_attention: Input should be less than or equal to 64"),
        ({"image_size": 64}, "image_size 64 is not 4 times input_image_size 8"),
        ({"full_attn": [True]}, "must have 5 entries as up_dim_mults"),
        ({"style_network": {"dim_in": 128, "dim_out": 16}}, "depth"),
        ({"skip_connect_scale": float("nan")}, "too large or not finite"),
    ],
)
def test_a_config_of_another_format_is_refused_by_its_key(keys: dict[str, Any], reason: str):
    with pytest.raises(CheckpointError) as caught:
        config_of(CONFIG | keys, source="config.json")
    assert reason in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"init_conv.bias": None}, "1 missing (init_conv.bias)"),
        ({"extra": torch.ones(1)}, "1 not known (extra)"),
        ({"init_conv.bias": torch.ones(3)}, "1 of another shape (init_conv.bias (3,) instead of (4,))"),
        ({"style_to_conv_modulations.bias": torch.ones(1427)}, "(1427,) instead of (1428,)"),
        ({"final_to_rgb.bias": torch.ones(3, dtype=torch.int64)}, "1 no real numbers (final_to_rgb.bias)"),
        ({"final_to_rgb.bias": torch.full((3,), torch.nan)}, "draws no numbers but NaN or infinity"),
        ({"a\nb": torch.ones(1)}, "names are no names"),
    ],
    ids=["missing", "unknown", "shape", "modulations", "integers", "nan", "hostile name"],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Tensor | None], reason: str):
    folder = write_model(tmp_path / "v", changes)
    with pytest.raises(CheckpointError) as caught:
        convert(str(folder), tmp_path / "M.safetensors")
    assert reason in str(caught.value)
    assert not (tmp_path / "M.safetensors").exists()


def test_a_config_for_more_than_there_is_takes_no_memory():
    with pytest.raises(CheckpointError, match="of another shape"):
        load_upsampler(WEIGHTS, CONFIG | {"dim": 4096})  # 2.5 trillion numbers


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "pytorch_model.bin"])
def test_pickles_are_refused_by_name_and_never_opened(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09touch ran\x85R.")
    with pytest.raises(CheckpointError, match=f"{name}: a pickle, which can run code"):
        convert(str(tmp_path / name), tmp_path / "M.safetensors")
    with pytest.raises(CheckpointError, match=rf"holds no model.safetensors; {name} is a pickle"):
        convert(str(tmp_path), tmp_path / "M.safetensors")


def test_a_file_without_config_or_of_another_kind_says_what_it_lacks(tmp_path: Path):
    folder = write_model(tmp_path / "v")
    convert(str(folder), tmp_path / "M.safetensors")
    (folder / "config.json").rename(tmp_path / "config.json")
    with pytest.raises(CheckpointError, match=r"config\.json: not there"):
        convert(str(folder), tmp_path / "N.safetensors")
    with pytest.raises(CheckpointError, match="a t2igan checkpoint already"):
        convert(str(tmp_path / "M.safetensors"), tmp_path / "N.safetensors")
    with pytest.raises(CheckpointError, match="no such file or folder"):
        convert("nowhere.safetensors", tmp_path / "N.safetensors")
    cut = (folder / "model.safetensors").read_bytes()[:-100]
    (tmp_path / "cut.safetensors").write_bytes(cut)
    with pytest.raises(CheckpointError, match="cut short"):
        convert(str(tmp_path / "cut.safetensors"), tmp_path / "N.safetensors")


def test_an_output_that_exists_is_kept_and_the_source_is_never_replaced(tmp_path: Path):
    source = str(write_model(tmp_path / "v") / "model.safetensors")
    with pytest.raises(UsageError, match="exists already"):
        convert(source, source)
    with pytest.raises(UsageError, match="is the file to convert"):
        convert(source, source, may_overwrite=True)
    with pytest.raises(UsageError, match=r"must end in \.safetensors"):
        convert(source, tmp_path / "M.bin")


def test_a_hub_id_that_is_not_in_the_cache_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"fal/AuraSR-v2: config.json is neither .* Add --download"):
        convert("fal/AuraSR-v2", tmp_path / "M.safetensors")
    with pytest.raises(WeightsError, match=r"did you mean 'fal/AuraSR-v2'\? Add --download"):
        convert("fal/AuraSR-v3", tmp_path / "M.safetensors")
    with pytest.raises(WeightsError, match="cannot be fetched"):
        convert("fal/AuraSR-v2", tmp_path / "M.safetensors", may_download=True)
    with pytest.raises(UsageError, match="--download fetches a hub id"):
        convert(str(write_model(tmp_path / "v")), tmp_path / "M.safetensors", may_download=True)


@pytest.mark.parametrize(
    "name", ["../Folder", "./Folder", "a--b/c", "a/b..c", "a/b-", "-a/b", ".a/b", "a/b.git", f"a/{'b' * 97}"]
)
def test_a_path_that_is_not_there_is_taken_for_no_hub_id(tmp_path: Path, name: str):
    with pytest.raises(CheckpointError, match="no such file or folder"):
        convert(name, tmp_path / "M.safetensors")


@pytest.mark.parametrize("name", ["../Folder", "a--b/c", "a/b-"])
def test_a_path_that_is_not_there_is_called_no_repository_of_weights(name: str):
    with pytest.raises(CheckpointError, match="no such checkpoint file"):
        place_of(name)
    with pytest.raises(CheckpointError, match="a repository of weights"):
        place_of("fal/AuraSR-v2")


def test_a_folder_that_cannot_be_written_is_refused_before_work(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(T2IGanError, match="cannot be written"):
        convert("fal/AuraSR-v2", tmp_path / "file" / "M.safetensors")
