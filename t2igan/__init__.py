"""t2igan: train, run and judge text-to-image GANs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from t2igan.pipeline import TextToImage, load
    from t2igan.types import Condition
    from t2igan.upscaler.model import Upscaler

__version__ = "0.1.0"
__all__ = ["Condition", "TextToImage", "Upscaler", "__version__", "load"]

_PUBLIC = {  # imported at first use: `import t2igan` costs no torch
    "Condition": "t2igan.types",
    "TextToImage": "t2igan.pipeline",
    "Upscaler": "t2igan.upscaler.model",
    "load": "t2igan.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 't2igan' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
