"""Microsoft's Fluent Emoji (3-D, 256 px, MIT) with Unicode's English names, as captioned shards. Not other emoji.

Two packages of npm are joined by code points. Skin tones of one motif share its split, so that the test motifs, a tenth,
are new in every tone.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from t2igan.data.convert import Conversion
from t2igan.data.importer import ImportTally, Progress, Writing
from t2igan.data.listing.pictures import Listed
from t2igan.data.npm import MemoryFiles, Package, fetch, parse_json, read_packages
from t2igan.data.pixels import BadSampleError
from t2igan.data.writer import PER_SHARD
from t2igan.errors import DataError, UsageError
from t2igan.files import write_atomic

PICTURES = "@lobehub/fluent-emoji-3d@1.1.0"
NAMES = "emojibase-data@17.0.0"
TABLE = "en/data.json"
MAX_TAGS = 5
MIN_LETTERS = 3
EMOJI_STYLE = "-fe0f"  # the variation selector, which file names and the table use differently
LICENCE = """\
Pictures: Fluent Emoji, Copyright (c) Microsoft Corporation, under the MIT License; from the npm package
{pictures}.
Names and tags: Emojibase, {names_copyright}, under the MIT License; from the npm package
{names}.

MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


class Emoji(NamedTuple):
    """One row of the table, or one of its skin tones."""

    label: str
    tags: tuple[str, ...]
    motif: str  # code points of the emoji without skin tone


def write_fluent_emoji(
    out: str | Path,
    *,
    archives: Sequence[Path] = (),
    size: int | None = None,
    per_shard: int = PER_SHARD,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Fetch, join and write the emoji to `out`/train and `out`/test, on white.

    Args:
        out: new or empty folder.
        archives: the two packages as .tgz files; none: they are fetched by the npm client.
        size: shrink to this side in pixels; None keeps their 256.
        per_shard: samples a shard.
        on_progress: called with the images done and in all.

    Returns:
        As `import_pictures`.

    Raises:
        UsageError: if an option cannot be right.
        DataError: if a package cannot be fetched or read, or `out` cannot be used.
    """
    if size is not None and size < 8:
        raise UsageError(f"size = {size}: at least 8.")
    pictures, names = _packages(archives)
    files = MemoryFiles(
        PICTURES, {PurePosixPath(n).name: d for n, d in pictures.files.items() if n != "LICENSE"}
    )
    tally = ImportTally(PICTURES)
    emojis = read_emojis(parse_json(names.files.get(TABLE, b""), f"{NAMES}/{TABLE}"))
    listed = tally.usable(_join(files, emojis))
    if not listed:
        raise DataError(f"{PICTURES}: none of {tally.tried} pictures has a name in {NAMES}.")
    licence = _licence(names)
    settings = {"made_by": "data fluent-emoji", "size": size, "per_shard": per_shard,
                "packages": {PICTURES: pictures.sha256, NAMES: names.sha256}}  # fmt: skip
    writing = Writing(files, Conversion(size, min_size=size or 0), tally, on_progress)
    facts = {
        "licence": "MIT",
        "attribution": licence.partition("\n\n")[0].split("\n"),
        "licence_text": licence,
    }
    report = writing.write(listed, Path(out), settings=settings, per_shard=per_shard, facts=facts)
    for split in report["splits"]:
        write_atomic(Path(out, split, ".t2igan", "LICENSE.txt"), licence.encode())
    return report | {"licence": "MIT"}


def _packages(archives: Sequence[Path]) -> list[Package]:
    specs = (PICTURES, NAMES)
    if archives:
        return read_packages(archives, specs, is_wanted=_is_wanted)
    with tempfile.TemporaryDirectory() as folder:
        return read_packages(fetch(specs, Path(folder)), specs, is_wanted=_is_wanted)


def _is_wanted(name: str) -> bool:
    is_picture = name.startswith("assets/") and name.endswith(".webp")
    return is_picture or name in (TABLE, "LICENSE")


def _licence(names: Package) -> str:
    text = names.files.get("LICENSE", b"").decode(errors="replace")
    holders = [line.strip() for line in text.splitlines() if line.lower().startswith("copyright")]
    return LICENCE.format(
        pictures=PICTURES, names=NAMES, names_copyright=(holders or ["Copyright (c) Miles Johnson"])[0]
    )


def _join(files: MemoryFiles, emojis: dict[str, Emoji]) -> Iterator[Listed | tuple[str, BadSampleError]]:
    """Every picture with its captions and split, in the order of the files."""
    for name in files.names():
        emoji = find_emoji(emojis, PurePosixPath(name).stem)
        if emoji is None:
            yield name, BadSampleError(f"no name in {NAMES.partition('@')[0]}", "a keycap or a flag")
        else:
            yield Listed(name, tuple(captions_of(emoji)), split_of_motif(emoji.motif))


def read_emojis(table: Any) -> dict[str, Emoji]:
    """Code points, such as "1f469-200d-2696-fe0f" -> Emoji, skin tones included.

    Raises:
        DataError: if the table is not emojibase's.
    """
    emojis: dict[str, Emoji] = {}
    try:
        for row in table:
            tags = tuple(map(str, row.get("tags", ())))  # skin tones have their motif's
            for variant in (row, *row.get("skins", [])):
                emojis[variant["hexcode"].lower()] = Emoji(
                    str(variant["label"]), tags, row["hexcode"].lower()
                )
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"{NAMES}/{TABLE}: not the table that is known ({error!r:.80}). Fetch it again."
        ) from error
    return emojis


def find_emoji(emojis: dict[str, Emoji], stem: str) -> Emoji | None:
    """The emoji of a file name: as it is, without the variation selector, or with one appended."""
    stem = stem.lower()
    names = (stem, stem.replace(EMOJI_STYLE, ""), stem + EMOJI_STYLE)
    return next((emojis[name] for name in names if name in emojis), None)


def captions_of(emoji: Emoji) -> list[str]:
    """The name, and the name with tags that add to it: ["flute", "flute: band, fife, flautist, instrument"]."""
    told = set(emoji.label.lower().replace(":", "").split())
    words = [
        tag for tag in emoji.tags if tag.isalpha() and len(tag) >= MIN_LETTERS
    ]  # not "<3", "143" or "CU"
    tags = [tag for tag in words if tag.lower() not in told][:MAX_TAGS]
    separator = "; " if ":" in emoji.label else ": "
    return [emoji.label, emoji.label + separator + ", ".join(tags)] if tags else [emoji.label]


def split_of_motif(motif: str) -> str:
    """A tenth of the motifs is "test"; the same in every run and on every machine."""
    return "test" if hashlib.sha256(motif.encode()).digest()[0] % 10 == 0 else "train"
