r"""Microsoft's Fluent Emoji (3-D, 256 px, MIT) with Unicode's English names -> a folder for `t2igan data import`.

Nothing is downloaded here. Fetch and unpack the two npm packages, prepare, then import:

    npm pack @lobehub/fluent-emoji-3d@1.1.0 emojibase-data@17.0.0
    for f in *.tgz; do mkdir -p ${f%.tgz}; tar xzf $f -C ${f%.tgz}; done
    python examples/fluent_emoji.py lobehub-fluent-emoji-3d-1.1.0/package/assets \
        emojibase-data-17.0.0/package/en/data.json fluent_emoji
    t2igan data import fluent_emoji --size 64 --out datasets/fluent_emoji

Skin tones of one motif share its split, so that the 10 % test motifs are new in every tone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

MAX_TAGS = 5
MIN_LETTERS = 3
EMOJI_STYLE = "-fe0f"  # the variation selector, which file names and the table use differently


class Emoji(NamedTuple):
    """One row of the table, or one of its skin tones."""

    label: str
    tags: tuple[str, ...]
    motif: str  # code points of the emoji without skin tone


def read_emojis(table: Path) -> dict[str, Emoji]:
    """Code points, such as "1f469-200d-2696-fe0f" -> Emoji, skin tones included."""
    emojis: dict[str, Emoji] = {}
    for row in json.loads(table.read_text(encoding="utf-8")):
        for variant in (row, *row.get("skins", [])):
            tags = tuple(row.get("tags", ()))  # skin tones have their motif's
            emojis[variant["hexcode"].lower()] = Emoji(variant["label"], tags, row["hexcode"].lower())
    return emojis


def find(emojis: dict[str, Emoji], stem: str) -> Emoji | None:
    """The emoji of a file name: as it is, without the variation selector, or with one appended."""
    stem = stem.lower()
    names = (stem, stem.replace(EMOJI_STYLE, ""), stem + EMOJI_STYLE)
    return next((emojis[name] for name in names if name in emojis), None)


def captions(emoji: Emoji) -> list[str]:
    """The name, and the name with tags that add to it: ["flute", "flute: band, fife, flautist, instrument"]."""
    told = set(emoji.label.lower().replace(":", "").split())
    words = [
        tag for tag in emoji.tags if tag.isalpha() and len(tag) >= MIN_LETTERS
    ]  # not "<3", "143" or "CU"
    tags = [tag for tag in words if tag.lower() not in told][:MAX_TAGS]
    separator = "; " if ":" in emoji.label else ": "
    return [emoji.label, emoji.label + separator + ", ".join(tags)] if tags else [emoji.label]


def split_of(motif: str) -> str:
    """A tenth of the motifs is "test"; the same in every run and on every machine."""
    return "test" if hashlib.sha256(motif.encode()).digest()[0] % 10 == 0 else "train"


def prepare(assets: Path, table: Path, out: Path) -> dict[str, Any]:
    """Copy every picture that has a name to `out`, and write metadata.jsonl beside them; returns counts."""
    emojis = read_emojis(table)
    out.mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    unnamed: list[str] = []
    for picture in sorted(assets.glob("*.webp")):
        emoji = find(emojis, picture.stem)
        if emoji is None:
            unnamed.append(picture.name)
            continue
        shutil.copyfile(picture, out / picture.name)
        rows.append({"file_name": picture.name, "text": captions(emoji), "split": split_of(emoji.motif)})
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (out / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")
    splits = {split: sum(row["split"] == split for row in rows) for split in ("train", "test")}
    return {"pictures": len(rows), **splits, "unnamed": unnamed}


def main() -> None:
    """Read the command line, prepare, print the counts as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("assets", type=Path, help="folder of <code points>.webp")
    parser.add_argument("table", type=Path, help="emojibase's data.json of one language")
    parser.add_argument("out", type=Path, help="folder to make")
    args = parser.parse_args()
    for path in (args.assets, args.table):
        if not path.exists():
            parser.error(f"{path}: does not exist.")
    if args.out.exists():
        parser.error(f"{args.out}: exists already. Choose a new folder.")
    sys.stdout.write(json.dumps(prepare(args.assets, args.table, args.out)) + "\n")


if __name__ == "__main__":
    main()
