"""The checkpoint format: whole files or none, strict reading, clear refusals."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from t2igan import checkpoint, tensor_file
from t2igan.checkpoint import FORMAT, Header, read_header
from t2igan.errors import CheckpointError

HEADER = Header("generator", config={"a": [1, {"b": None}]}, recipe={"name": "ü"}, progress={"nimg": 5})
TENSORS = {"G_ema.weight": torch.arange(6.0).reshape(2, 3), "G_ema.count": torch.tensor(7)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good checkpoint of two tensors."""
    checkpoint.save(tmp_path / "model.safetensors", TENSORS, HEADER)
    return tmp_path / "model.safetensors"


def test_header_and_tensors_come_back_as_they_were(path: Path):
    header, tensors = checkpoint.read(path, kind="generator")
    assert header == HEADER
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[key], TENSORS[key]) for key in TENSORS)
    assert tensors["G_ema.count"].dtype == torch.int64


def test_a_header_is_read_without_torch(path: Path):
    code = (
        "import sys; from t2igan.checkpoint import read_header;"
        f"print(read_header({str(path)!r}).progress['nimg'], sorted({{'torch', 'numpy'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "5 []\n"


def test_tensors_may_share_memory_lie_channels_last_and_need_a_gradient(tmp_path: Path):
    base = torch.arange(48.0).reshape(2, 2, 3, 4)
    given = {
        "whole": base,
        "part": base[1],
        "last": base.to(memory_format=torch.channels_last),
        "tied": base,
        "param": nn.Parameter(torch.ones(3)),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "expanded": torch.ones(1, 3).expand(4, 3),
    }
    checkpoint.save(tmp_path / "x.safetensors", given, Header("state"))
    found = load_file(tmp_path / "x.safetensors")
    assert found.keys() == given.keys()
    assert all(torch.equal(found[key], given[key]) for key in given)


def test_saving_over_a_file_replaces_it_and_leaves_nothing_else(path: Path):
    checkpoint.save(path, {"x": torch.ones(2)}, Header("judge"))
    assert read_header(path).kind == "judge"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_folders_are_made(tmp_path: Path):
    checkpoint.save(tmp_path / "a" / "b" / "x.safetensors", TENSORS, HEADER)
    assert read_header(tmp_path / "a" / "b" / "x.safetensors") == HEADER


def test_a_failed_write_leaves_the_older_file_whole_and_nothing_half_written(path: Path):
    before = path.read_bytes()
    code = (
        "import resource; from t2igan import checkpoint; import torch;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"try: checkpoint.save({str(path)!r}, {{'x': torch.zeros(9999)}}, checkpoint.Header('state'))\n"
        "except OSError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "model.safetensors: could not be written" in done.stdout
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_folder_that_is_a_file_is_an_os_error(path: Path):
    with pytest.raises(OSError, match="model"):
        checkpoint.save(path / "x.safetensors", TENSORS, HEADER)


def raw(header: object, data: bytes = b"") -> bytes:
    """A safetensors file by hand."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def meta(**changes: str) -> dict[str, dict[str, str]]:
    strings = {**HEADER.strings(), **{f"t2igan.{key}": value for key, value in changes.items()}}
    return {"__metadata__": strings}


BAD = {
    "empty": (b"", "not a safetensors file, or cut short"),
    "three bytes": (b"abc", "not a safetensors file, or cut short"),
    "text": (b"this is a text file, and a rather long one at that", "not a safetensors file"),
    "zip, as torch.save writes": (b"PK\x03\x04" + b"\0" * 200, "not a safetensors file"),
    "length beyond the file": (struct.pack("<Q", 10**12) + b"{}", "not a safetensors file"),
    "no JSON": (raw(b"\xff\xfe{]"), "not a safetensors file"),
    "JSON of another shape": (raw([1, 2]), "not a safetensors file"),
    "tensor without offsets": (raw({"x": {"dtype": "F32", "shape": [1]}}), "not a safetensors file"),
    "tensor that is a number": (raw({"x": 5}), "not a safetensors file"),
    "deep JSON": (raw(b"[" * 100_000), "not a safetensors file"),
    "foreign": (raw({"__metadata__": {"format": "pt"}}), "not made by t2igan"),
    "no metadata": (raw({}), "not made by t2igan"),
    "newer format": (raw(meta(format=str(FORMAT + 1))), f"made by format {FORMAT + 1}, this t2igan reads up to {FORMAT}"),
    "format that is no number": (raw(meta(format="two")), "made by format two"),
    "unknown kind": (raw(meta(kind="vae")), "unknown kind 'vae'; known: generator"),
    "damaged config": (raw(meta(config="{oh")), "its header is damaged"),
    "config that is a list": (raw(meta(config="[]")), "its header is damaged"),
    "data cut off": (raw({**meta(), "x": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}, b"1234"), "cut short"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD.keys())
def test_a_file_that_is_no_good_checkpoint_is_one_clear_line(content: bytes, message: str, tmp_path: Path):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(content)
    for reader in (read_header, lambda p: checkpoint.read(p, kind="generator")):
        with pytest.raises(CheckpointError, match=message) as caught:
            reader(bad)
        assert str(caught.value).startswith(f"{bad}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0, 7, 8, 100, -30, -1])
def test_a_file_cut_anywhere_is_refused(path: Path, keep: int):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="cut short"):
        checkpoint.read(path, kind="generator")


def test_no_flipped_bit_goes_unnoticed(path: Path):
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        try:
            header, tensors = checkpoint.read(path, kind="generator")
        except CheckpointError:
            continue
        assert header == HEADER  # the flip is in the checksum's own key, and without one nothing is compared
        assert all(torch.equal(tensors[key], TENSORS[key]) for key in TENSORS)


def test_a_checksum_reads_in_pieces_what_it_wrote_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tensor_file, "PIECE_BYTES", 7)
    path = tmp_path / "x.safetensors"
    tensors = {"a": torch.arange(10.0).bfloat16(), "empty": torch.zeros(0, 3), "n": torch.tensor(True)}
    checkpoint.save(path, tensors, Header("state"))
    checkpoint.verify(path)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="its bytes do not match its checksum"):
        checkpoint.verify(path)


def test_a_file_from_before_there_were_checksums_is_read(path: Path):
    save_file(TENSORS, path, metadata=HEADER.strings())
    assert checkpoint.read(path, kind="generator")[0] == HEADER


def test_a_file_of_plain_tensors_is_foreign(tmp_path: Path):
    save_file({"x": torch.ones(1)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="not made by t2igan"):
        read_header(tmp_path / "x.safetensors")


def test_another_kind_is_refused_by_both_names(path: Path):
    with pytest.raises(CheckpointError, match="of kind 'generator', but 'clip' is needed here"):
        checkpoint.read(path, kind="clip")


@pytest.mark.parametrize(
    ("name", "message"),
    [("nothing.safetensors", "no such checkpoint file"), ("embedded:nothing", r"the package\. Known: ")],
)
def test_a_missing_file_is_an_error(name: str, message: str):
    with pytest.raises(CheckpointError, match=message):
        checkpoint.locate(name)


def test_a_folder_is_no_checkpoint(tmp_path: Path):
    with pytest.raises(CheckpointError, match="no such checkpoint file"):
        read_header(tmp_path)


def test_a_checkpoint_can_be_read_by_others_and_through_a_link(path: Path):
    assert path.stat().st_mode & 0o044 == 0o044
    link = path.with_name("link")
    link.symlink_to(path)
    assert read_header(link) == HEADER


def renamed(**changes: torch.Tensor | None) -> Callable[[dict], dict]:
    return lambda own: {k: v for k, v in {**own, **changes}.items() if v is not None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (renamed(weight=None), r"1 missing \(weight\)"),
        (renamed(a=torch.ones(1), b=torch.ones(1)), r"2 not known \(a, b\)"),
        (renamed(bias=torch.ones(4)), r"1 of another shape \(bias\)"),
        (
            renamed(weight=None, bias=torch.ones(4), z=torch.ones(1)),
            r"1 missing .*; 1 not known .*; 1 of another shape",
        ),
        (renamed(**{k: torch.ones(1) for k in "abcde"}), r"5 not known \(a, b, c, \.\.\.\)"),
    ],
)
def test_strict_loading_lists_what_does_not_fit(change: Callable[[dict], dict], message: str):
    network = nn.Linear(2, 3)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with pytest.raises(CheckpointError, match=f"here: tensors do not fit .*{message}"):
        checkpoint.load_strictly(network, change(nn.Linear(2, 3).state_dict()), source="here")
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_prefixes_go_on_and_off():
    inside = {"a": torch.ones(1), "b.c": torch.zeros(1)}
    outside = checkpoint.with_prefix("G", inside)
    assert set(outside) == {"G.a", "G.b.c"}
    assert checkpoint.part({**outside, "G_ema.a": torch.ones(2)}, "G").keys() == inside.keys()


def test_a_fingerprint_names_the_weights_and_not_the_file():
    torch.manual_seed(0)
    tensors = {"b": torch.randn(3, 4), "a": torch.randn(2)}
    name = checkpoint.fingerprint(tensors)
    assert len(name) == 16
    assert checkpoint.fingerprint(dict(sorted(tensors.items()))) == name
    assert checkpoint.fingerprint({**tensors, "b": tensors["b"].T.contiguous().T}) == name
    assert checkpoint.fingerprint({**tensors, "b": tensors["b"] + 1e-6}) != name
    assert checkpoint.fingerprint({"b": tensors["b"], "c": tensors["a"]}) != name
