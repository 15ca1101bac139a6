"""Where AuraSR weights lie: a file, a folder, the local hub cache, or, if asked for, a download. It reads no tensors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from t2igan.errors import CheckpointError, UsageError, WeightsError, nearest
from t2igan.upscaler.place import HUB_ID
from t2igan.weight_places import import_library

WEIGHTS, CONFIG = "model.safetensors", "config.json"
NOT_STATED = "not stated"
UNCLEAR = "cc (variant not stated)"
LICENCES = {  # hub id -> what its page says
    "fal/AuraSR-v2": "apache-2.0",
    "fal/AuraSR": UNCLEAR,
    "fal-ai/AuraSR": UNCLEAR,  # names that lead to fal/AuraSR
    "fal-ai/aurasr": UNCLEAR,
}
PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
_IN_CACHE = re.compile(r"models--([\w.-]+?)--([\w.-]+)/snapshots/([\w.-]+)/[^/]+$")


@dataclass(frozen=True)
class Source:
    """Weights, the config that belongs to them, and where they come from."""

    weights: Path
    config: Path
    name: str  # hub id, else the file's name
    revision: str  # of the hub repository; empty for other files

    @property
    def licence(self) -> str:
        """What is known of the licence."""
        return LICENCES.get(self.name, NOT_STATED)


def find_source(name: str, *, config: Path | None = None, may_download: bool = False) -> Source:
    """Find weights and config.

    Args:
        name: a .safetensors file, a folder with model.safetensors, or a hub id.
        config: the config.json, where it is not beside the weights.
        may_download: fetch a hub id; otherwise only the local cache is looked into.

    Raises:
        CheckpointError: if there is no such file, or it is a pickle.
        WeightsError: if the hub id is not in the cache, or cannot be fetched.
        UsageError: if `may_download` has nothing to do.
    """
    path = Path(name)
    if not path.exists() and HUB_ID.fullmatch(name) and path.suffix not in (*PICKLES, ".safetensors"):
        return _from_hub(name, config, may_download=may_download)
    if may_download:
        raise UsageError(f"--download fetches a hub id such as fal/AuraSR-v2, but {name} is none.")
    weights = _weights_at(path)
    config = config or weights.parent / CONFIG
    if not config.is_file():
        raise CheckpointError(f"{config}: not there. Put the model's {CONFIG} beside it, or give --config.")
    return _described(weights, config)


def _weights_at(path: Path) -> Path:
    if not path.exists():
        raise _none_at(path)
    if path.is_dir():
        if not (path / WEIGHTS).is_file():
            pickles = [file.name for file in sorted(path.iterdir()) if file.suffix in PICKLES]
            only = f"; {pickles[0]} is a pickle, which is not read" if pickles else ""
            raise CheckpointError(f"{path}: holds no {WEIGHTS}{only}. Fetch {WEIGHTS} from the same place.")
        return path / WEIGHTS
    if path.suffix in PICKLES:
        raise CheckpointError(
            f"{path}: a pickle, which can run code when it is read. Give {WEIGHTS} from the same place."
        )
    return path


def _none_at(name: str | Path) -> CheckpointError:
    return CheckpointError(f"{name}: no such file or folder. A hub id has the form fal/AuraSR-v2.")


def _described(weights: Path, config: Path) -> Source:
    found = _IN_CACHE.search(weights.absolute().as_posix())
    if found:
        return Source(weights, config, f"{found[1]}/{found[2]}", found[3])
    return Source(weights, config, weights.name, "")


def _from_hub(name: str, config: Path | None, *, may_download: bool) -> Source:
    hub = import_library("huggingface_hub")
    places = []
    for file in (CONFIG, WEIGHTS) if config is None else (WEIGHTS,):  # the small one first
        if may_download:
            places.append(_download(hub, name, file))
            continue
        try:
            found = hub.try_to_load_from_cache(name, file)
        except ValueError as error:  # the hub's own rules, which may change
            raise _none_at(name) from error
        if not isinstance(found, str):
            hint = "" if name in LICENCES else nearest(name, LICENCES)
            raise WeightsError(
                f"{name}: {file} is neither a path nor in the local hub cache{hint or '.'} Add --download to fetch it, or "
                f"give the folder that holds {WEIGHTS} and {CONFIG}."
            )
        places.append(Path(found))
    return _described(places[-1], config or places[0])


def _download(hub: object, name: str, file: str) -> Path:
    try:
        return Path(hub.hf_hub_download(name, file))  # pyright: ignore[reportAttributeAccessIssue]
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(
            f"{name}: {file} cannot be fetched ({reason[0]}). Check the network, or fetch the folder by other means."
        ) from error
