"""Hostile pickles: one line each, and nothing that they ask for happens."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from convert_pickles import (
    Calls,
    Persistent,
    foreign_modules,
    pickled,
    refusal,
    torch_saved,
    write_pickle,
)
from torch import nn

from t2igan.convert import safe_pickle

TOUCH = "open('ran', 'w').close()"
SYSTEM = "touch ran"


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
    tree = safe_pickle.load(write_pickle(pickled(Persistent())))
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
    made = safe_pickle.load(write_pickle(function + fill + b"."))
    assert made.kind == "dill._dill._create_function"
    assert made.args[0].args == (1, "hook")
    assert made.args[2].args == (None,)


def test_a_member_of_an_enum_of_an_admitted_package_is_a_record_that_gives_nothing():
    member = attribute(stack_global("timm.layers.format", "Format"), "NCHW")
    assert safe_pickle.load(write_pickle(member + b".")).kind == "timm.layers.format.Format.NCHW"
    assert "builtins.getattr" in refusal(attribute(member, "__class__") + b".")
    assert "calls something that is no name" in refusal(member + b")R.")
