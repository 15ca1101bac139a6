"""The one checkpoint format: safetensors tensors, and a header that says what they are. Never pickle.

Header (`__metadata__`, strings only): `t2igan.format`, `.kind` (generator | upsampler | clip | judge | state), `.config`
(JSON of the network's config), `.conditioner` (JSON), `.recipe` (JSON), `.progress` (JSON), `.created_by`, `.checksum` of
all the rest. Tensors: `G.*` and `G_ema.*`, `D.*`, `optim.*`, `E.*` for encoders, `conditioner.*` where nobody else could
fetch a text tower.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2igan import __version__, tensor_file
from t2igan.checksum import checksum
from t2igan.errors import CheckpointError, nearest
from t2igan.files import replace_durably, sync_folder, temporary_name
from t2igan.tensor_file import Stored
from t2igan.tensor_memory import apart

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
KINDS = ("generator", "upsampler", "clip", "judge", "state")
CHECKSUM = "t2igan.checksum"
EMBEDDED = "embedded:"
EMBEDDED_FOLDER = Path(str(resources.files("t2igan"))) / "weights_embedded"
SHARED_MODE = 0o644  # safetensors writes files that only their owner can read


@dataclass(frozen=True)
class Header:
    """What a checkpoint says of itself."""

    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    conditioner: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    created_by: str = f"t2igan {__version__}"

    def strings(self) -> dict[str, str]:
        """The header as safetensors metadata."""
        parts = {k: json.dumps(getattr(self, k)) for k in ("config", "conditioner", "recipe", "progress")}
        plain = {"format": str(FORMAT), "kind": self.kind, "created_by": self.created_by}
        return {f"t2igan.{key}": value for key, value in {**plain, **parts}.items()}


def locate(name: str | Path) -> Path:
    """A path as it is; `embedded:NAME` -> the file inside the package.

    Raises:
        CheckpointError: if there is no such file.
    """
    text = str(name)
    if not text.startswith(EMBEDDED):
        path = Path(text)
        if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where a name is too long
            raise CheckpointError(f"{path}: no such checkpoint file.")
        return path
    name = text.removeprefix(EMBEDDED)
    path = EMBEDDED_FOLDER / f"{name}.safetensors"
    if not os.path.isfile(path):  # noqa: PTH113 - the same
        known = sorted(p.stem for p in EMBEDDED_FOLDER.glob("*.safetensors"))
        raise CheckpointError(
            f"{text}: not inside the package{nearest(name, known) or '.'} Known: {', '.join(known)}."
        )
    return path


def save(path: str | Path, tensors: Mapping[str, Tensor], header: Header) -> None:
    """Write a checkpoint under a temporary name, flush it to disk, and rename it.

    Raises:
        OSError: if the folder cannot be written or the disk is full; an older file at `path` stays whole.
    """
    from safetensors.torch import save_file

    path = Path(path)
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
        sync_folder(path.parent.parent)
    temporary = temporary_name(path)
    plain = apart(tensors)  # safetensors refuses tensors that share memory
    try:
        save_file(plain, str(temporary), metadata=_with_checksum(header.strings(), plain))
        temporary.chmod(SHARED_MODE)
        replace_durably(temporary, path)
    except Exception as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise
        raise OSError(f"{path}: could not be written: {error}") from error


def _with_checksum(strings: dict[str, str], tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """A header with the checksum of itself and of the bytes that the tensors will be in the file."""
    import torch

    pieces = {k: [t.reshape(-1).view(torch.uint8).numpy().data] for k, t in tensors.items()}
    shapes = {f"{key} shape": str(tuple(tensor.shape)) for key, tensor in tensors.items()}
    return {**strings, CHECKSUM: checksum(pieces, {**strings, **shapes})}


def verify(path: str | Path) -> None:
    """Compare a file's bytes with the checksum in its header, without torch; files made before there was one pass.

    Raises:
        CheckpointError: if they differ, or the file cannot be read to its end.
    """
    path = locate(path)
    layout = tensor_file.read_layout(path)
    expected = layout.strings.pop(CHECKSUM, None)
    if expected is None:
        return
    shapes = {f"{key} shape": str(stored.shape) for key, stored in layout.tensors.items()}
    try:
        with path.open("rb") as file:
            found = checksum(tensor_file.pieces(file.fileno(), layout), {**layout.strings, **shapes})
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error}). Copy or download it again.") from error
    if found != expected:
        raise CheckpointError(
            f"{path}: damaged, as its bytes do not match its checksum. Copy or download it again."
        )


def read_header(path: str | Path) -> Header:
    """Read what a checkpoint says of itself, without torch and without its tensors.

    Raises:
        CheckpointError: if the file is not ours, truncated, or of a newer format.
    """
    path = locate(path)
    meta = tensor_file.read_layout(path).strings
    if "t2igan.format" not in meta:
        raise CheckpointError(
            f"{path}: a safetensors file, but not made by t2igan. Weights of StyleGAN-T, AuraSR or gigagan-pytorch become "
            f"a checkpoint with t2igan model convert stylegan-t (or aura-sr, gigagan-pytorch) FILE --out M.safetensors."
        )
    fmt = meta["t2igan.format"]
    if not fmt.isdecimal() or int(fmt) > FORMAT:
        raise CheckpointError(
            f"{path}: made by format {fmt}, this t2igan reads up to {FORMAT}. Upgrade t2igan, or export the file again."
        )
    if meta.get("t2igan.kind") not in KINDS:
        raise CheckpointError(f"{path}: unknown kind {meta.get('t2igan.kind')!r}; known: {', '.join(KINDS)}.")
    try:
        parts = {
            k: json.loads(meta.get(f"t2igan.{k}", "{}"))
            for k in ("config", "conditioner", "recipe", "progress")
        }
        if not all(isinstance(value, dict) for value in parts.values()):
            raise ValueError("a part is no JSON object")
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its header is damaged ({error}). Export the file again.") from error
    return Header(kind=meta["t2igan.kind"], created_by=meta.get("t2igan.created_by", "unknown"), **parts)


def read_layout(path: str | Path) -> dict[str, Stored]:
    """Name -> how it is stored, of every tensor of a safetensors file, without torch and without reading them.

    Raises:
        CheckpointError: if the file is no safetensors file, or truncated.
    """
    return tensor_file.read_layout(locate(path)).tensors


def read(path: str | Path, *, kind: str) -> tuple[Header, dict[str, Tensor]]:
    """Read header and tensors, after checking that the file is of `kind`.

    Raises:
        CheckpointError: as `read_header` and `verify`, and if the kind differs.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = locate(path)
    header = read_header(path)
    if header.kind != kind:
        raise CheckpointError(f"{path}: a checkpoint of kind {header.kind!r}, but {kind!r} is needed here.")
    verify(path)
    try:
        return header, load_file(str(path))
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged ({error}). Copy or download it again.") from error


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below `prefix.`, without it."""
    return {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under `prefix.`."""
    return {f"{prefix}.{key}": value for key, value in tensors.items()}


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """A short hash of names and values: the identity of a set of weights, whatever file carries them.

    Tensors on the meta device have no values, and count by their names.
    """
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(key.encode())
        if tensors[key].is_meta:
            continue
        digest.update(tensors[key].detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def load_strictly(module: Any, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Load a state dict; missing, extra or misshapen tensors are an error that lists the first few.

    A module on the meta device takes the tensors over instead of copying them, in its own dtypes.

    Raises:
        CheckpointError: naming `source` and the tensors.
    """
    check_fit(module, tensors, source=source)
    own = module.state_dict()
    is_bare = any(value.is_meta for value in own.values())
    module.load_state_dict({k: v.to(own[k].dtype) for k, v in tensors.items()}, assign=is_bare)


def check_fit(module: Any, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Refuse a state dict that `load_strictly` would refuse, and load nothing; the module may be on the meta device.

    Raises:
        CheckpointError: naming `source` and the tensors.
    """
    own = module.state_dict()
    missing = [k for k in own if k not in tensors]
    extra = [k for k in tensors if k not in own]
    wrong = [k for k in own if k in tensors and tensors[k].shape != own[k].shape]
    if missing or extra or wrong:
        found = "; ".join(
            f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
            for what, keys in (("missing", missing), ("not known", extra), ("of another shape", wrong))
            if keys
        )
        raise CheckpointError(f"{source}: tensors do not fit the network that its header describes: {found}.")
