"""Everything that can be wrong with a set of shards: its name, how bad it is, and what to do. Finds nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "remark"]


@dataclass(frozen=True)
class Kind:
    """One thing that can be wrong. An error costs samples or trust; with a remark training does the right thing."""

    level: Level
    fix: str


AGAIN = "Fetch or write this shard again; `t2igan data filter` keeps what is whole."
SKIPPED = "Training skips it; `t2igan data filter` leaves it out."
UNPACKED = "Nothing here unpacks a tar, other programs do: write the shard again without it."
REMOVE = "Remove the file and run {} again."


def _error(fix: str) -> Kind:
    return Kind("error", fix)


def _remark(fix: str) -> Kind:
    return Kind("remark", fix)


KINDS = {
    # the tar as a whole
    "could not be checked": _error("Run again; if it stays, the message says why."),
    "empty file": _error(AGAIN),
    "compressed tar": _error("Decompress it (gzip -d, zstd -d): samples are read by seeking."),
    "damaged tar": _error(AGAIN),
    "no samples": _error("Remove it, or write it again: a sample is NAME.jpg with NAME.txt."),
    # names in the tar
    "dangerous name": _error(UNPACKED),
    "link or device": _error(UNPACKED),
    "duplicate key": _error("Write the shard again with distinct keys; `t2igan data filter` gives new ones."),
    "members apart": _remark("Read here; webdataset would make two samples of it. `t2igan data filter` sorts them."),
    "several images in a sample": _remark("Only the first of jpg, jpeg, png, webp is read. Give each a key of its own."),
    "suffix that nobody reads": _remark("Read are jpg, jpeg, png, webp, txt and json; x.a.jpg has the suffix a.jpg."),
    "name without a suffix": _remark("It belongs to no sample."),
    # members of a sample
    "cut off in the tar": _error(AGAIN),
    "no image member": _error(SKIPPED),
    "no caption": _error(SKIPPED),
    "caption is not UTF-8": _error("Write captions as UTF-8. " + SKIPPED),
    "unreadable .json": _error(SKIPPED),
    "member too large": _error("Captions have at most 64 kB, .json 1 MB, images 256 MB. " + SKIPPED),
    "sha256 differs": _error("The stored image is not the one that was written. " + AGAIN),
    # images
    "empty image": _error(SKIPPED),
    "not a JPEG, PNG or WebP image": _error(SKIPPED),
    "too many pixels": _error("A decompression bomb, or an image too large to train on. " + SKIPPED),
    "does not decode": _error(SKIPPED),
    "does not convert to RGB": _error(SKIPPED),
    "constant image": _remark("One colour only. img2dataset turns 16-bit PNGs white: download those again without resizing."),
    "EXIF orientation lost": _remark("The .json says that the picture was turned, the image does not: it lies on its side."),
    "extension is not the content's": _remark("Read by content here; rename it for others."),
    "turned by EXIF": _remark("Turned upright on reading."),
    "CMYK": _remark("Converted to RGB without its colour profile."),
    "16 bits a channel": _remark("Read with 8 bits a channel."),
    "animated": _remark("The first frame is read."),
    "transparent": _remark("Laid over white on reading."),
    # files beside a shard
    "no _stats.json": _error("Other shards have one, so this one was not finished. Run the command that wrote it again."),
    "_stats.json unreadable": _error(REMOVE.format("the command that wrote it")),
    "_stats.json disagrees": _error(AGAIN),
    "score table does not fit": _error(REMOVE.format("`t2igan data score`")),
    "text embeddings do not fit": _error(REMOVE.format("`t2igan data embed`")),
    "image embeddings do not fit": _error(REMOVE.format("`t2igan data score --embeddings`")),
    # the folder
    "shard missing": _error("Its _stats.json counts samples. Fetch or write it again."),
    "data set incomplete": _error("The command that wrote it has not ended. Run it again."),
    "dataset.json unreadable": _error("Write the data set again."),
    "dataset.json disagrees": _error("Shards were added, lost or exchanged since. Write the data set again."),
    "leftover of a killed run": _remark("The command that left it removes it when it is run again; or remove it."),
    "belongs to no shard": _remark("Remove it, or fetch the shard."),
    "gap in shard numbers": _remark("Harmless, if nothing is missing that should be there."),
    # across shards
    "key in several shards": _error("Is a shard there twice? `t2igan data filter` gives keys that differ."),
    "key in several folders": _remark("Sets that are mixed may share keys; do not use them as names."),
}  # fmt: skip


def kind_of(reason: str) -> str:
    """The kind that a BadSampleError's reason stands for."""
    return reason if reason in KINDS else "member too large" if "too large" in reason else "does not decode"
