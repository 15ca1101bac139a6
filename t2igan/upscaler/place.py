"""Where the upsampler lies that somebody named: a file, or one inside the package. It fetches nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

from t2igan import checkpoint
from t2igan.checkpoint import EMBEDDED, EMBEDDED_FOLDER
from t2igan.errors import CheckpointError, nearest

# owner/name as the hub allows them, so that ../folder and the like are paths
HUB_ID = re.compile(r"(?!.*(?:--|\.\.))\w(?:[\w.-]*\w)?/\w(?:[\w.-]*\w)?", re.ASCII)
COMMANDS = {
    "generator": 'it draws from prompts: t2igan sample "..." --model FILE',
    "state": "it is for going on with a run; make a file to use of it: t2igan model export STATE --out FILE",
}


def place_of(name: str | Path) -> str | Path:
    """What `checkpoint.read` finds an upsampler by.

    Args:
        name: a path, `embedded:NAME`, or NAME alone.

    Raises:
        CheckpointError: if it is neither, or a checkpoint of another kind; the message says which command takes it.
    """
    place = name if _is_given(str(name)) else f"{EMBEDDED}{name}"
    is_path = not str(place).startswith(EMBEDDED)
    if is_path and not _is_file(str(name)) and _may_be_hub_id(str(name)):
        raise CheckpointError(
            f"{name}: no such file. If it is a repository of weights, make a checkpoint of it once, where there is a "
            f"network: t2igan model convert aura-sr {name} --out upscaler.safetensors"
        )
    if not is_path:
        _check_embedded(str(name))
    kind = checkpoint.read_header(place).kind
    if kind != "upsampler":
        told = COMMANDS.get(kind, "it measures, and draws nothing")
        raise CheckpointError(f"{name}: a checkpoint of kind {kind!r}, but an upsampler is needed; {told}.")
    return place


def _is_given(name: str) -> bool:
    """Whether a name says where it lies."""
    is_path = "/" in name or name.endswith(".safetensors") or _is_file(name)
    return is_path or name.startswith(EMBEDDED)


def _is_file(name: str) -> bool:
    return os.path.isfile(name)  # noqa: PTH113 - Path.is_file raises where a name is too long


def _may_be_hub_id(name: str) -> bool:
    return HUB_ID.fullmatch(name) is not None and not name.endswith(".safetensors")


def _check_embedded(name: str) -> None:
    bare = name.removeprefix(EMBEDDED)
    names = sorted(path.stem for path in EMBEDDED_FOLDER.glob("*.safetensors"))
    if bare in names:
        return
    known = [name for name in names if checkpoint.read_header(f"{EMBEDDED}{name}").kind == "upsampler"]
    raise CheckpointError(
        f"{name or repr(name)}: neither a file nor an upsampler inside the package{nearest(bare, known) or '.'} "
        f"Give the path of a checkpoint, or one of these: {', '.join(known)}."
    )
