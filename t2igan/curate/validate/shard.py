"""One tar -> what it holds and what is wrong with it, and whether the files beside it fit."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2igan.curate.shards import Shard
from t2igan.curate.storage import Folder
from t2igan.curate.validate.beside import check_beside
from t2igan.curate.validate.facts import TarFacts
from t2igan.curate.validate.findings import Finding, Findings, from_json, to_json
from t2igan.curate.validate.names import check_names, compression_of
from t2igan.curate.validate.samples import SampleChecks, as_array
from t2igan.data.tars import Salvage, salvage_tar
from t2igan.errors import DataError

SUFFIX = ".validated.json"
FORMAT = 1


@dataclass(frozen=True)
class ValidateTask:
    """Which shard, what lies beside it, and where the outcome is kept for a run that goes on."""

    number: int
    shard: Shard
    beside: frozenset[str]  # names of files that say something about it
    kept: Folder | None

    def __str__(self) -> str:
        return self.shard.where


@dataclass(frozen=True)
class Validated:
    """What is known of one shard."""

    samples: int
    keys: np.ndarray  # uint64 [samples]
    findings: list[Finding]


@dataclass(frozen=True)
class MakeValidator:
    """What an engine's workers are made with."""

    decodes: bool
    max_pixels: int

    def __call__(self, worker: int) -> ShardValidator:
        """The validator of one worker."""
        return ShardValidator(decodes=self.decodes, max_pixels=self.max_pixels)


class ShardValidator:
    """Checks shards, one after the other.

    Args:
        decodes: decode images, and not only read their headers.
        max_pixels: larger images are an error.
    """

    def __init__(self, *, decodes: bool, max_pixels: int) -> None:
        self._decodes = decodes
        self._max_pixels = max_pixels

    def __call__(self, task: ValidateTask) -> Validated:
        """Check one shard; its tar is not read again where an earlier run has kept what it found.

        Raises:
            DataError: if the shard cannot be read at all.
        """
        version = self._version(task.shard)
        facts = _kept(task, version)
        if facts is None:
            with task.shard.folder.fetched(task.shard.name) as path:
                facts = self._check_tar(path)
            if task.kept is not None:
                task.kept.put(f"{task.shard.stem}{SUFFIX}", _to_bytes(facts, version))
        findings = Findings()
        check_beside(task.shard, facts, task.beside, findings)
        return Validated(len(facts.keys), facts.keys, facts.findings + findings.all())

    def _version(self, shard: Shard) -> dict[str, Any]:
        """What a kept outcome must be of."""
        found = {"format": FORMAT, "bytes": shard.folder.size(shard.name), "name": shard.name}
        if shard.folder.path is not None:
            found["modified_ns"] = (shard.folder.path / shard.name).stat().st_mtime_ns
        return found | {"decodes": self._decodes, "max_pixels": self._max_pixels}

    def _check_tar(self, path: Path) -> TarFacts:
        findings = Findings()
        salvage = _salvage(path, findings)
        check_names(path, findings)
        checks = SampleChecks(path, findings, decodes=self._decodes, max_pixels=self._max_pixels)
        checks.check(salvage)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return TarFacts(
            keys=as_array(checks.keys),
            captions=checks.texts.rows,
            caption_hash=checks.texts.hexdigest(),
            bytes=path.stat().st_size,
            sha256=sha256,
            findings=findings.all(),
        )


def _salvage(path: Path, findings: Findings) -> Salvage:
    """The samples of a tar as far as it can be read, and what is wrong with it as a whole."""
    try:
        salvage = salvage_tar(path)
    except DataError:
        raise
    except Exception as error:  # a hostile tar makes tarfile raise almost anything
        salvage = Salvage([], frozenset(), f"not a readable tar ({type(error).__name__})")
    compression = compression_of(path)
    if not path.stat().st_size:
        findings.add("empty file", "", "0 bytes")
    elif compression and not salvage.entries:
        findings.add("compressed tar", "", compression)
    elif salvage.damage:
        findings.add("damaged tar", "", f"{len(salvage.entries)} samples can be read; {salvage.damage}")
    elif not salvage.entries:
        findings.add("no samples")
    return salvage


def _to_bytes(facts: TarFacts, version: dict[str, Any]) -> bytes:
    content = {
        "version": version,
        "keys": base64.b64encode(facts.keys.astype("<u8").tobytes()).decode(),
        "captions": facts.captions,
        "caption_hash": facts.caption_hash,
        "bytes": facts.bytes,
        "sha256": facts.sha256,
        "findings": to_json(facts.findings),
    }
    return (json.dumps(content, indent=1) + "\n").encode()


def _kept(task: ValidateTask, version: dict[str, Any]) -> TarFacts | None:
    """What an earlier run found of the same tar with the same settings."""
    name = f"{task.shard.stem}{SUFFIX}"
    if task.kept is None or not task.kept.has(name):
        return None
    try:
        content = json.loads(task.kept.read(name))
        if content["version"] != version:
            return None
        return TarFacts(
            keys=np.frombuffer(base64.b64decode(content["keys"]), dtype="<u8").astype(np.uint64),
            captions=content["captions"],
            caption_hash=content["caption_hash"],
            bytes=content["bytes"],
            sha256=content["sha256"],
            findings=from_json(content["findings"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
