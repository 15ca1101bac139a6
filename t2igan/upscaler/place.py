"""Where the upsampler lies that somebody named: a file, or one inside the package. It fetches nothing."""

from __future__ import annotations

import re
from pathlib import Path

from t2igan import checkpoint
from t2igan.checkpoint import EMBEDDED
from t2igan.errors import CheckpointError

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
    if not Path(place).is_file() and HUB_ID.fullmatch(str(name)) and not str(name).endswith(".safetensors"):
        raise CheckpointError(
            f"{name}: no such file. If it is a repository of weights, make a checkpoint of it once, where there is a "
            f"network: t2igan model convert aura-sr {name} --out upscaler.safetensors"
        )
    kind = checkpoint.read_header(place).kind
    if kind != "upsampler":
        told = COMMANDS.get(kind, "it measures, and draws nothing")
        raise CheckpointError(f"{name}: a checkpoint of kind {kind!r}, but an upsampler is needed; {told}.")
    return place


def _is_given(name: str) -> bool:
    """Whether a name says where it lies."""
    is_path = "/" in name or name.endswith(".safetensors") or Path(name).is_file()
    return is_path or name.startswith(EMBEDDED)
