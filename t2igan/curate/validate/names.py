"""The member names of a tar: dangerous ones, links, keys that repeat or are torn apart. Opens no member."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from t2igan.curate.validate.findings import Findings
from t2igan.data.samples import IMAGE_SUFFIXES, MAX_BYTES

COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstandard", b"PK\x03\x04": "zip"}  # fmt: skip
TYPES = {
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.FIFOTYPE: "named pipe",
    tarfile.GNUTYPE_SPARSE: "sparse file",
    tarfile.CONTTYPE: "contiguous file",
}
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)


def compression_of(path: Path) -> str:
    """What a file is compressed with, by its first bytes; empty if it is not."""
    with path.open("rb") as file:
        head = file.read(8)
    return next((name for magic, name in COMPRESSIONS.items() if head.startswith(magic)), "")


def check_names(path: Path, findings: Findings) -> None:
    """Look at every name, up to where the tar is damaged."""
    walk = _Walk(findings)
    for member in _members(path):
        walk.add(member)


def _members(path: Path) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.open(path, "r:") as tar:
            yield from tar
    except (
        Exception
    ):  # a hostile tar makes tarfile raise almost anything; the damage itself is reported elsewhere
        return


class _Walk:
    """Goes through the members of a tar in their order."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._suffixes: dict[str, set[str]] = {}  # of each key
        self._last = ""
        self._torn: set[str] = set()

    def add(self, member: tarfile.TarInfo) -> None:
        """The next member."""
        self._judge(member)
        if member.type not in FILES:
            return
        name = PurePosixPath(member.name)
        stem, _, suffix = name.name.partition(".")
        if not stem or not suffix:
            self._findings.add("name without a suffix", member.name)
            return
        self._group(str(name.parent / stem), suffix.lower())

    def _judge(self, member: tarfile.TarInfo) -> None:
        why = _danger(member.name)
        if why:
            self._findings.add("dangerous name", member.name, why)
        if member.type not in FILES and member.type != tarfile.DIRTYPE:
            self._findings.add("link or device", member.name, TYPES.get(member.type, f"type {member.type!r}"))

    def _group(self, key: str, suffix: str) -> None:
        known = self._suffixes.get(key)
        if suffix not in MAX_BYTES:
            self._findings.add("suffix that nobody reads", key, f".{suffix}")
        if known is None or suffix in known:
            if known is not None:
                self._findings.add("duplicate key", key, f"a second .{suffix}")
            self._suffixes[key] = {suffix}
            self._last = key
            return
        if key != self._last and key not in self._torn:
            self._torn.add(key)
            self._findings.add("members apart", key, f".{suffix} stands behind {self._last}")
        if suffix in IMAGE_SUFFIXES and known & set(IMAGE_SUFFIXES):
            self._findings.add(
                "several images in a sample", key, f".{suffix} beside .{min(known & set(IMAGE_SUFFIXES))}"
            )
        known.add(suffix)
        self._last = key


def _danger(name: str) -> str:
    """What a program that unpacks the tar could be made to do; empty if nothing."""
    if name.startswith("/"):
        return "an absolute path"
    if ".." in PurePosixPath(name).parts or ".." in name.split("\\"):
        return "leads out of the folder"
    if re.match(r"[A-Za-z]:|\\", name):
        return "an absolute path on Windows"
    return ""
