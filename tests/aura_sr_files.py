"""Files in the layout of the published AuraSR checkpoints, with the reference weights of width 2 in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

REFERENCE = Path(__file__).parent / "fixtures" / "gigagan" / "aurasr_unet_a.safetensors"


def reference() -> tuple[dict[str, Tensor], dict[str, Any], dict[str, Tensor]]:
    """Published names -> tensors, the config.json's content, and the reference's inputs and outputs."""
    with safe_open(REFERENCE, "pt") as file:
        everything = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        config = json.loads(file.metadata()["meta"])["config"]
    weights = {k.removeprefix("weights/"): v for k, v in everything.items() if k.startswith("weights/")}
    return weights, config, everything


def write_model(folder: Path, changes: Mapping[str, Tensor | None] | None = None) -> Path:
    """Write model.safetensors and config.json into a folder; a change replaces a tensor, or with None takes it away."""
    weights, published, _ = reference()
    changed = {**weights, **(changes or {})}
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in changed.items() if value is not None}
    save_file(kept, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(published))
    return folder
