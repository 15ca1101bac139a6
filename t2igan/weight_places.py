"""Where files of third-party weights lie: an explicit file, the folder $T2IGAN_WEIGHTS, the Hugging Face cache; in this order.

Never on the network unless $T2IGAN_ALLOW_NETWORK is 1: a missing file is an error at once, not a minute of retries.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from t2igan.errors import WeightsError

SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")


def import_library(module: str) -> Any:
    """Import a library.

    Raises:
        WeightsError: saying in one sentence why that cannot work.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError, AttributeError) as error:
        if "torchvision" in str(error):
            raise WeightsError(
                f"{module} needs a torchvision that matches torch: {error}. "
                "Install both from the same place (both CPU builds, or both CUDA builds)."
            ) from error
        raise WeightsError(
            f"cannot import {module}: {error}. Install it, e.g. pip install t2igan."
        ) from error


def find_weights(
    name: str, file: str | None, repository: str | None, hub_files: tuple[str, ...]
) -> Path | None:
    """Local path of a network's weights; None = not here, but downloading is allowed and possible.

    Raises:
        WeightsError: if they are nowhere, naming all places that were searched.
    """
    if file is not None:
        if Path(file).is_file():
            return Path(file)
        raise WeightsError(f"{name}: weights file {file} does not exist. Correct the path.")
    searched = []
    folder = os.environ.get("T2IGAN_WEIGHTS")
    if folder:
        for path in (Path(folder) / name, *(Path(folder) / (name + suffix) for suffix in SUFFIXES)):
            if path.is_file():
                return path
        searched.append(f"{folder}/{name}{SUFFIXES[0]}")
    cached = _find_in_hub_cache(repository, hub_files)
    if cached:
        return cached
    if repository:
        searched.append(f"the Hugging Face cache ({repository})")
        if os.environ.get("T2IGAN_ALLOW_NETWORK") == "1":
            return None
    places = ", ".join(searched) or "nowhere ($T2IGAN_WEIGHTS is not set)"
    raise WeightsError(
        f"the weights of {name} are not on this machine; searched {places}. Put the file into a folder and set "
        f"T2IGAN_WEIGHTS to it, or set T2IGAN_ALLOW_NETWORK=1 to let it be downloaded."
    )


def _find_in_hub_cache(repository: str | None, names: tuple[str, ...]) -> Path | None:
    if not repository:
        return None
    hub = import_library("huggingface_hub")
    owner, project, *file = repository.rstrip("/").split(
        "/", 2
    )  # open_clip writes "owner/project/" or adds a file name
    for name in file or names:
        path = hub.try_to_load_from_cache(f"{owner}/{project}", name)
        if isinstance(path, str):
            return Path(path)
    return None
