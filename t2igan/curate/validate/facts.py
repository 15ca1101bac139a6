"""What is known of a tar once it was read: enough to judge the files beside it without reading it again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from t2igan.curate.validate.findings import Finding


@dataclass(frozen=True)
class TarFacts:
    """One tar."""

    keys: np.ndarray  # uint64 [samples], hashes
    captions: int
    caption_hash: str
    bytes: int
    sha256: str
    findings: list[Finding]
