"""The samples of one tar, one after the other: their members, captions and images. Not their names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from t2igan.curate.embed.texts import TEXT_SUFFIXES, Captions, TextHash
from t2igan.curate.validate.findings import Findings
from t2igan.curate.validate.kinds import kind_of
from t2igan.curate.validate.pictures import check_picture, noted_turn
from t2igan.data.pixels import BadSampleError
from t2igan.data.samples import IMAGE_SUFFIXES, MAX_BYTES, read_captions
from t2igan.data.tars import Entry, Salvage, read_members

OURS = "t2igan"  # a .json with this key is ours, and its sha256 is of the stored image


class SampleChecks:
    """Checks samples, and gathers what the files beside a shard are compared with.

    Args:
        path: the tar.
        findings: where problems go.
        decodes: decode images, and not only read their headers.
        max_pixels: larger images are an error.
    """

    def __init__(self, path: Path, findings: Findings, *, decodes: bool, max_pixels: int) -> None:
        self._path = path
        self._findings = findings
        self._decodes = decodes
        self._max_pixels = max_pixels
        self.texts = TextHash()
        self.keys: list[int] = []

    def check(self, salvage: Salvage) -> None:
        """Look at every sample."""
        for number, entry in enumerate(salvage.entries):
            self.keys.append(hash_key(entry.key))
            if number in salvage.cut:
                self._findings.add("cut off in the tar", entry.key)
                self.texts.add(())
            else:
                self._check(entry)

    def _check(self, entry: Entry) -> None:
        members = self._read(entry)
        fields = self._check_texts(entry, members)
        suffix = next((s for s in IMAGE_SUFFIXES if s in entry.members), None)
        if suffix is None:
            self._findings.add("no image member", entry.key, f"has {', '.join(sorted(entry.members))}")
        if suffix not in members:
            return
        image = members[suffix]
        is_turned = check_picture(
            image, suffix, entry.key, self._findings, decodes=self._decodes, max_pixels=self._max_pixels
        )
        noted = noted_turn(fields)
        if noted and not is_turned and not _was_turned(fields):
            self._findings.add("EXIF orientation lost", entry.key, noted)
        self._compare_checksum(entry.key, image, fields)

    def _read(self, entry: Entry) -> dict[str, bytes]:
        """The members with a known suffix, those that are too large left out."""
        members: dict[str, bytes] = {}
        for suffix in entry.members.keys() & MAX_BYTES.keys():
            try:
                members |= read_members(self._path, Entry(entry.key, {suffix: entry.members[suffix]}))
            except BadSampleError as problem:
                self._findings.add(kind_of(problem.reason), entry.key, f".{suffix}: {problem.detail}")
        return members

    def _check_texts(self, entry: Entry, members: Mapping[str, bytes]) -> Mapping[str, Any]:
        """Captions and the .json's fields."""
        texts = {suffix: members[suffix] for suffix in TEXT_SUFFIXES if suffix in members}
        captions: Captions = ()
        if len(texts) == len(entry.members.keys() & set(TEXT_SUFFIXES)):  # else one was too large
            try:
                captions = read_captions(texts)
            except BadSampleError as problem:
                self._findings.add(kind_of(problem.reason), entry.key, problem.detail)
        self.texts.add(captions)
        return _fields(members)

    def _compare_checksum(self, key: str, image: bytes, fields: Mapping[str, Any]) -> None:
        """Ours is of the stored bytes; img2dataset's is of what was downloaded, and says nothing."""
        noted = fields.get("sha256")
        if isinstance(fields.get(OURS), dict) and isinstance(noted, str):
            found = hashlib.sha256(image).hexdigest()
            if noted != found:
                self._findings.add("sha256 differs", key, f"{found[:16]}..., the .json says {noted[:16]}...")


def hash_key(key: str) -> int:
    """64 bits of a key."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def as_array(keys: list[int]) -> np.ndarray:
    """Hashes as uint64 [N]."""
    return np.array(keys, dtype=np.uint64)


def _fields(members: Mapping[str, bytes]) -> Mapping[str, Any]:
    try:
        fields = json.loads(members.get("json", b"{}"))
    except (ValueError, RecursionError):
        return {}  # which was found with the captions
    return fields if isinstance(fields, dict) else {}


def _was_turned(fields: Mapping[str, Any]) -> bool:
    """Whether `data bucket` turned the picture upright."""
    ours = fields.get(OURS)
    cut = ours.get("cut_from") if isinstance(ours, dict) else None
    return isinstance(cut, dict) and cut.get("turned") is True
