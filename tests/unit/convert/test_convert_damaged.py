"""Pickles and torch files that are cut, changed, or say sizes that cannot be: one line, and never much memory."""

from __future__ import annotations

import io
import random
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from convert_pickles import (
    Calls,
    pickled,
    refusal,
    torch_saved,
    without_numbers,
    write_pickle,
)
from torch import nn
from torch._utils import _rebuild_tensor_v2

from t2igan.convert import module_tree, safe_pickle
from t2igan.convert.pickled import DTYPES
from t2igan.convert.stylegan_t_file import read_generator
from t2igan.errors import CheckpointError


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def small(*, protocol: int = 4) -> bytes:
    module = nn.Linear(2, 3)
    module.register_buffer("steps", torch.tensor(5))
    return pickled({"G_ema": module, "a": np.arange(6.0), "c": {1, None, "x"}}, protocol=protocol)


@pytest.mark.parametrize("protocol", [2, 5])
def test_a_pickle_cut_anywhere_is_refused(protocol: int):
    whole = pickled({"G_ema": {"w": torch.ones(2), "b": np.ones(3)}, "c": {1, None, "x"}}, protocol=protocol)
    path = Path("cut.pkl")
    for end in range(1, len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(CheckpointError):
            safe_pickle.load(path)


def test_changed_bytes_give_values_or_one_line_and_never_another_error():
    rng = random.Random(0)
    wholes = [
        small(),
        small(protocol=2),
        *(torch_saved({"w": torch.ones(3)}, is_zip=z) for z in (True, False)),
    ]
    for _ in range(500):
        data = bytearray(rng.choice(wholes))
        for _ in range(rng.choice((1, 4))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        assert "\n" not in outcome(bytes(data))


def outcome(data: bytes) -> str:
    """The error of reading all tensors of a file, or nothing."""
    try:
        for tensor in module_tree.tensors_of(safe_pickle.load(write_pickle(data))).values():
            tensor.read()
    except CheckpointError as error:
        return str(error)
    return ""


def read_with_layout(offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
    """A tensor of another layout on the storage of four numbers."""
    storage = torch.arange(4.0)._typed_storage()
    rebuild = Calls(_rebuild_tensor_v2, storage, offset, size, stride, False, {})
    (tensor,) = module_tree.tensors_of(safe_pickle.load(write_pickle(pickled({"w": rebuild})))).values()
    return tensor.read()


def test_a_tensor_may_be_any_view_of_its_storage():
    assert read_with_layout(1, (3,), (1,)).tolist() == [1, 2, 3]
    assert read_with_layout(0, (2, 2), (1, 2)).tolist() == [[0, 2], [1, 3]]
    assert read_with_layout(3, (), ()).item() == 3
    assert read_with_layout(9, (0, 5), (5, 1)).shape == (0, 5)
    assert read_with_layout(1, (1, 2), (2**62, 2)).tolist() == [[1, 3]]


@pytest.mark.parametrize("dtype", DTYPES.values())
def test_numbers_of_every_type_are_read_as_they_are(dtype: torch.dtype):
    expected = torch.tensor([[0, 1, 100], [7, 1, 0]]).to(dtype)
    for is_zip in (True, False):
        found = safe_pickle.load(
            write_pickle(torch_saved({"w": expected.t(), "one": expected[1, 0]}, is_zip=is_zip))
        )
        assert torch.equal(found["w"].read(), expected.t())
        assert torch.equal(found["one"].read(), expected[1, 0])
        assert (found["w"].bare().shape, found["w"].bare().dtype) == ((3, 2), dtype)


@pytest.mark.parametrize("is_zip", [True, False])
def test_views_of_one_storage_take_the_memory_of_their_own_numbers(is_zip: bool):
    whole = torch.arange(50_000.0)
    found = safe_pickle.load(write_pickle(torch_saved({str(i): whole[i] for i in range(100)}, is_zip=is_zip)))
    read = [view.read() for view in found.values()]
    assert torch.stack(read).tolist() == list(range(100))
    assert {tensor.untyped_storage().nbytes() for tensor in read} == {4}


@pytest.mark.parametrize(
    "layout",
    [(2, (3,), (1,)), (0, (2, 2), (1, 9)), (0, (2**40,), (0,)), (0, (2**62, 2**62), (1, 1)), (-1, (2,), (1,)),
     (0, (2,), (1, 1)), (0, (0, 2**40, 2**40), (0, 0, 0)), (0, (1,) * 99, (1,) * 99), (0, ("2",), (1,))],
)  # fmt: skip
def test_a_tensor_that_is_larger_than_its_storage_or_outside_it_is_refused(layout: tuple[Any, ...]):
    with pytest.raises(CheckpointError):
        read_with_layout(*layout)


def test_a_storage_whose_count_is_wrong_is_refused():
    data = torch_saved({"w": torch.ones(3)}, is_zip=False)
    at = data.rindex(struct.pack("<q", 3))
    assert "damaged" in refusal(data[:at] + struct.pack("<q", 2**40) + data[at + 8 :])


def test_modules_that_contain_themselves_are_refused():
    module = nn.Module()
    module._modules["again"] = module
    assert "contain each other" in refusal(pickled(module))


def test_modules_that_multiply_are_refused():
    inner: dict[str, Any] = {}
    for _ in range(40):
        inner = {"a": inner, "b": inner}
    assert "contain each other" in refusal(pickled(inner))


def test_a_zip_whose_members_would_grow_is_refused():
    source, out = zipfile.ZipFile(io.BytesIO(torch_saved({"w": torch.ones(3)}, is_zip=True))), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    assert "compressed" in refusal(out.getvalue())


def test_numbers_missing_from_a_zip_are_an_error_when_they_are_read():
    found = safe_pickle.load(write_pickle(without_numbers(torch_saved({"w": torch.ones(3)}, is_zip=True))))
    with pytest.raises(CheckpointError, match="missing"):
        found["w"].read()


def test_names_of_tensors_cannot_forge_a_line():
    assert "names" in refusal(pickled({"synthesis\nerror: all is well": torch.ones(1)}))


def test_a_folder_or_no_file_is_an_error():
    Path("folder.pkl").mkdir()
    for name in ("folder.pkl", "none.pkl", "none.safetensors"):
        with pytest.raises(CheckpointError, match="no such"):
            read_generator(name)
    shutil.rmtree("folder.pkl")
