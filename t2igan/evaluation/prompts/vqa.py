"""VQAScore as a scorer of pairs: the probability that a model answers "does this figure show ...?" with yes. An optional plug-in.

The package t2v-metrics holds networks and questions; nothing of it is here, and no number of it has been checked here.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2igan.errors import UsageError, WeightsError
from t2igan.evaluation.prompts.pairs import Pair
from t2igan.images import save_png
from t2igan.weight_places import import_library

MODULE, PACKAGE = "t2v_metrics", "t2v-metrics"
WORD = "vqascore"
DEFAULT = "clip-flant5-xxl"  # the paper's


def vqa_model_of(scorer: str) -> str | None:
    """The model that `--scorer vqascore` or `--scorer vqascore:MODEL` names; None = it names something else."""
    word, _, model = scorer.partition(":")
    return (model or DEFAULT) if word == WORD else None


class VqaPairScorer:
    """VQAScore (Lin et al. 2024) of pictures with both captions of their pairs."""

    def __init__(self, model: str = DEFAULT, *, device: str | torch.device = "cpu") -> None:
        """Load the network through the package.

        Args:
            model: the package's name of it.
            device: where it computes.

        Raises:
            WeightsError: if package or weights are not on this machine.
            UsageError: if the package has no such model.
        """
        package = _package()
        known = list(package.list_all_vqascore_models())
        if model not in known:
            raise UsageError(
                f"--scorer {WORD}:{model}: {PACKAGE} has no such model. It has {', '.join(known)}."
            )
        self.name = f"{WORD}-{model}"
        with _downloads_if_allowed(self.name):
            self._score: Any = package.VQAScore(model=model, device=str(device))

    @torch.no_grad()
    def __call__(self, images: Tensor, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        """Probabilities in [0, 1]; the package reads pictures from files, so they are written as PNGs first."""
        with tempfile.TemporaryDirectory() as folder:
            rows = [
                self._of_one(image, pair, Path(folder) / "picture.png")
                for image, pair in zip(images, pairs, strict=True)
            ]
        scores = torch.stack(rows)
        return scores[:, 0], scores[:, 1]

    def _of_one(self, image: Tensor, pair: Pair, path: Path) -> Tensor:
        """Scores [2] of both captions."""
        save_png(path, image)
        found = self._score(images=[str(path)], texts=[pair.caption, pair.swapped])  # [1, 2]
        return found.detach().float().cpu().reshape(2)


def _package() -> Any:
    try:
        return importlib.import_module(MODULE)
    except ImportError as error:
        raise WeightsError(
            f"--scorer {WORD}: cannot import {MODULE} ({error}). Install the package {PACKAGE} (pip install {PACKAGE}) with all "
            "that its page asks for, in an environment of its own if its pins clash; or name a CLIP as scorer."
        ) from error


@contextmanager
def _downloads_if_allowed(name: str) -> Iterator[None]:
    """The package fetches weights unasked; here it may only where $T2IGAN_ALLOW_NETWORK is 1."""
    constants = import_library("huggingface_hub.constants")
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or os.environ.get("T2IGAN_ALLOW_NETWORK") != "1"
    try:
        yield
    except Exception as error:
        reason = str(error).strip().splitlines()[:1]
        raise WeightsError(
            f"{name}: {PACKAGE} cannot load its weights ({', '.join(reason)}). Set T2IGAN_ALLOW_NETWORK=1 to let it download "
            "them, or run it once where the network is and bring its cache."
        ) from error
    finally:
        constants.HF_HUB_OFFLINE = before
