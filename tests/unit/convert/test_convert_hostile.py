"""Hostile and damaged pickles: one line each, and nothing that they ask for happens."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import random
import shutil
import struct
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from convert_pickles import Persistent, foreign_modules, pickled, torch_saved, without_numbers
from torch import nn
from torch._utils import _rebuild_tensor_v2

from t2igan.convert import module_tree, safe_pickle
from t2igan.convert.pickled import DTYPES
from t2igan.convert.stylegan_t_file import read_generator
from t2igan.errors import CheckpointError

TOUCH = "open('ran', 'w').close()"
SYSTEM = "touch ran"


class Calls:
    """Pickles as a call of `function(*args)`."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def stack_global(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def inside_a_module(value: Any) -> nn.Module:
    module = nn.Sequential(nn.Linear(1, 1))
    module.__dict__["_metadata"] = value
    return module


def loads_bytes(data: bytes) -> bytes:
    """A pickle of torch's call that reads a storage from bytes."""
    return (
        stack_global("torch.storage", "_load_from_bytes")
        + b"B"
        + struct.pack("<I", len(data))
        + data
        + b"\x85R."
    )


def attribute(of: bytes, name: str) -> bytes:
    return stack_global("builtins", "getattr") + of + text(name) + b"\x86R"


def entry(of: bytes, key: str) -> bytes:
    return attribute(of, "get") + text(key) + b"\x85R"


MODULE = stack_global("torch.nn.modules.module", "Module")
GLOBALS = attribute(attribute(MODULE, "__init__"), "__globals__")
EVAL_BY_ATTRIBUTES = entry(entry(GLOBALS, "__builtins__"), "eval")
# All of these create a file called `ran` when Python unpickles them; a test below proves it.
EXECUTABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "os.system": (lambda: b"cos\nsystem\n(S'touch ran'\ntR.".replace(b"S'touch ran'\n", text(SYSTEM)), "os.system"),
    "its own name": (lambda: pickle.dumps(Calls(os.system, SYSTEM)), f"{os.system.__module__}.system"),
    "protocol 0": (lambda: pickle.dumps(Calls(os.mkdir, "ran"), protocol=0), "mkdir"),
    "protocol 2": (lambda: pickle.dumps(Calls(eval, TOUCH), protocol=2), "builtins.eval"),
    "exec": (lambda: pickle.dumps(Calls(exec, TOUCH)), "builtins.exec"),
    "a subprocess": (
        lambda: stack_global("subprocess", "check_call") + b"]" + text("touch") + b"a" + text("ran") + b"a\x85R.",
        "subprocess.check_call",
    ),
    "attributes of an admitted class": (lambda: b"\x80\x04" + EVAL_BY_ATTRIBUTES + text(TOUCH) + b"\x85R.", "builtins.getattr"),
    "in the state of a module": (lambda: pickled(inside_a_module(Calls(eval, TOUCH))), "builtins.eval"),
    "in a parameter": (lambda: pickled({"G_ema": {"w": Calls(eval, TOUCH)}}), "builtins.eval"),
    "in an object array": (lambda: pickled(np.array([Calls(eval, TOUCH)], dtype=object)), "builtins.eval"),
    "a dotted name": (lambda: b"\x80\x04" + stack_global("torch", "os.system") + text(SYSTEM) + b"\x85R.", "torch.os.system"),
    "a dotted name in an admitted package": (
        lambda: b"\x80\x04" + stack_global("torch.nn.modules.module", "torch.os.system") + text(SYSTEM) + b"\x85R.",
        "torch.nn.modules.module.torch.os.system",
    ),
    "INST": (lambda: b"(S'touch ran'\nios\nsystem\n.", "STRING"),
    "INST without text": (lambda: b"(X\x09\0\0\0touch ranios\nsystem\n.", "INST"),
    "OBJ": (lambda: b"(cos\nsystem\nX\x09\0\0\0touch rano.", "os.system"),
    "a storage's bytes": (lambda: loads_bytes(pickle.dumps(Calls(eval, TOUCH))), "builtins.eval"),
    "a storage's torch file": (
        lambda: loads_bytes(torch_saved(Calls(eval, TOUCH), is_zip=False)),
        "builtins.eval",
    ),
}  # fmt: skip
# These would do nothing here, or need dill; they are refused all the same.
OTHERS: dict[str, tuple[bytes, str]] = {
    "NEWOBJ of a foreign class": (b"csubprocess\nPopen\n)\x81.", "subprocess.Popen"),
    "NEWOBJ_EX": (b"\x80\x04" + stack_global("torch.nn.modules.container", "Sequential") + b")}\x92.", "NEWOBJ_EX"),
    "OBJ of an admitted class": (b"(ctorch.nn.modules.container\nSequential\no.", "OBJ"),
    "a call of a record": (b"ctorch.nn.modules.container\nSequential\n)R)R.", "calls something that is no name"),
    "a call of text": (text("os.system") + b")R.", "calls something that is no name"),
    "attributes for a class": (b"ctorch.nn.modules.container\nSequential\n}X\1\0\0\0ax\1\0\0\0sb.", "pickle"),
    "the globals of a class": (stack_global("torch.nn.modules.container", "Sequential.__init__.__globals__") + b".", "no part"),
    "a persistent id": (text("x") + b"Q.", "persistent id"),
    "a persistent id in text": (b"Px\n.", "PERSID"),
    "dill's import": (stack_global("dill._dill", "_import_module") + text("os") + b"\x85R.", "dill._dill._import_module"),
    "dill's types": (stack_global("dill._dill", "_create_type") + b".", "dill._dill._create_type"),
    "dill's session": (stack_global("dill", "load_session") + b".", "dill.load_session"),
    "setattr": (stack_global("builtins", "setattr") + text("a") + text("b") + text("c") + b"\x87R.", "builtins.setattr"),
    "another getattr": (stack_global("builtins", "getattr") + stack_global("dill", "_dill") + text("_import_module")
                        + stack_global("builtins", "setattr") + b"\x87R.", "builtins.getattr"),
    "a type whose name doubles": (stack_global("dill._dill", "_load_type") + b")" + b"2\x86" * 60 + b"\x85R.", "a name that is a tuple"),
    "a class whose name doubles": (stack_global("torch_utils.persistence", "_reconstruct_persistent_obj") + b"}"
        + text("class_name") + b")" + b"2\x86" * 60 + b"s\x85R.", "a name that is a tuple"),
    "an encoding that doubles": (stack_global("_codecs", "encode") + text("x") + b")" + b"2\x86" * 60 + b"\x86R.", "a name that is a tuple"),
    "terminal codes": (stack_global("os", "\x1b[2J\nsystem") + b".", "\\x1b[2J\\nsystem"),
    "a tuple as key": (b"})\x85K\1s.", "a key of type tuple"),
    "an unknown encoding": (stack_global("_codecs", "encode") + text("x") + text("zlib_codec") + b"\x86R.", "zlib_codec"),
    "a billion numbers": (stack_global("builtins", "bytes") + b"J\xff\xff\xff\x7f\x85R.", "pickle"),
    "a length beyond the file": (b"\x8e" + b"\xff" * 7 + b"\x7f.", "pickle"),
    "a value that was never stored": (b"h\x07.", "recalls value 7"),
    "an empty stack": (b".", "pickle"),
    "text": (b"hello, this is a letter", "pickle"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "PERSID"),
    "zeros": (b"\0" * 100, "pickle"),
    "deep nesting that never ends": (b"(" * 100_000, "pickle"),
    "a zip of something else": (b"PK\3\4" + b"\0" * 50, "zip"),
    "nothing": (b"", "empty"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refusal(data: bytes) -> str:
    """The line that a file with these bytes is refused with."""
    path = Path("hostile.pkl")
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"^hostile\.pkl: ") as caught:
        read_generator(path)
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 400
    assert not Path("ran").exists()
    return line


@pytest.mark.parametrize("name", EXECUTABLE)
def test_a_pickle_that_would_run_something_is_refused_by_name_and_runs_nothing(name: str):
    make, reason = EXECUTABLE[name]
    assert reason in refusal(make())


@pytest.mark.parametrize("name", EXECUTABLE)
def test_python_itself_would_have_run_it(name: str, monkeypatch: pytest.MonkeyPatch):
    data = EXECUTABLE[name][0]()
    if name == "a dotted name in an admitted package":
        monkeypatch.setattr(sys.modules["torch.nn.modules.module"], "torch", torch, raising=False)
    with foreign_modules(), suppress(RuntimeError):  # what stands behind the call may be no storage
        pickle.loads(data)
    (path,) = Path().iterdir()
    assert path.name == "ran"


@pytest.mark.parametrize("name", OTHERS)
def test_what_no_snapshot_needs_is_refused(name: str):
    data, reason = OTHERS[name]
    assert reason in refusal(data)


def test_extension_codes_are_refused_even_if_somebody_has_registered_one():
    copyreg.add_extension("os", "system", 0x7F)
    try:
        data = b"\x82\x7f" + text(SYSTEM) + b"\x85R."
        assert "EXT1" in refusal(data)
        pickle.loads(data)
        assert Path("ran").exists()
    finally:
        copyreg.remove_extension("os", "system", 0x7F)
        copyreg.clear_extension_cache()


@pytest.mark.parametrize("is_zip", [True, False])
def test_torch_files_that_would_run_something_are_refused(is_zip: bool):
    data = torch_saved({"G_ema": {"w": torch.ones(2)}, "x": Calls(eval, TOUCH)}, is_zip=is_zip)
    assert "builtins.eval" in refusal(data)
    torch.load(io.BytesIO(data), weights_only=False)
    assert Path("ran").exists()


def test_source_code_in_a_snapshot_is_never_run():
    tree = safe_pickle.load(_write(pickled(Persistent())))
    assert tree.kind == "Generator"
    assert "module_src" not in tree.state


def test_dills_functions_stay_the_arguments_they_were_made_of():
    code = stack_global("dill._dill", "_create_code") + b"K\1" + text("hook") + b"\x86R"
    cell = stack_global("dill._dill", "_create_cell") + b"N\x85R\x94"
    function = (
        stack_global("dill._dill", "_create_function") + code + b"cnetworks.vit\n__dict__\n" + cell + b"\x87R"
    )
    setter = (stack_global("builtins", "getattr") + stack_global("dill", "_dill") + text("_setattr")
              + stack_global("builtins", "setattr") + b"\x87R")  # fmt: skip
    fill = setter + b"h\0" + text("cell_contents") + text("a name") + b"\x87R0"
    made = safe_pickle.load(_write(function + fill + b"."))
    assert made.kind == "dill._dill._create_function"
    assert made.args[0].args == (1, "hook")
    assert made.args[2].args == (None,)


def test_a_member_of_an_enum_of_an_admitted_package_is_a_record_that_gives_nothing():
    member = attribute(stack_global("timm.layers.format", "Format"), "NCHW")
    assert safe_pickle.load(_write(member + b".")).kind == "timm.layers.format.Format.NCHW"
    assert "builtins.getattr" in refusal(attribute(member, "__class__") + b".")
    assert "calls something that is no name" in refusal(member + b")R.")


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
        for tensor in module_tree.tensors_of(safe_pickle.load(_write(data))).values():
            tensor.read()
    except CheckpointError as error:
        return str(error)
    return ""


def _write(data: bytes) -> Path:
    path = Path("file.pkl")
    path.unlink(missing_ok=True)  # a new file, as the old one may still be mapped
    path.write_bytes(data)
    return path


def read_with_layout(offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
    """A tensor of another layout on the storage of four numbers."""
    storage = torch.arange(4.0)._typed_storage()
    rebuild = Calls(_rebuild_tensor_v2, storage, offset, size, stride, False, {})
    (tensor,) = module_tree.tensors_of(safe_pickle.load(_write(pickled({"w": rebuild})))).values()
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
            _write(torch_saved({"w": expected.t(), "one": expected[1, 0]}, is_zip=is_zip))
        )
        assert torch.equal(found["w"].read(), expected.t())
        assert torch.equal(found["one"].read(), expected[1, 0])
        assert (found["w"].bare().shape, found["w"].bare().dtype) == ((3, 2), dtype)


@pytest.mark.parametrize("is_zip", [True, False])
def test_views_of_one_storage_take_the_memory_of_their_own_numbers(is_zip: bool):
    whole = torch.arange(50_000.0)
    found = safe_pickle.load(_write(torch_saved({str(i): whole[i] for i in range(100)}, is_zip=is_zip)))
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
    found = safe_pickle.load(_write(without_numbers(torch_saved({"w": torch.ones(3)}, is_zip=True))))
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
