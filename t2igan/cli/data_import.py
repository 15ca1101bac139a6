"""`t2igan data import` and `data fluent-emoji`: pictures into shards. Arguments in, one library call each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option("--out", help="New or empty folder for the shards.")]
PerShard = Annotated[int, typer.Option("--per-shard", help="Samples in one tar.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
Background = Annotated[str, typer.Option(help="Colour under transparent pixels.")]


def import_(
    source: Annotated[Path, typer.Argument(help="A folder, or a .zip, of images with captions.")],
    out: Out,
    captions: Annotated[
        str | None,
        typer.Option(help="File with the captions, in the source or elsewhere; looked for if not given."),
    ] = None,
    image_column: Annotated[str | None, typer.Option(help="Column of a table with the file names.")] = None,
    caption_column: Annotated[str | None, typer.Option(help="Column of a table with the captions.")] = None,
    size: Annotated[
        int | None, typer.Option(help="Shrink the shorter side to this; skip smaller images.")
    ] = None,
    background: Background = "white",
    per_shard: PerShard = 1000,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first image that cannot be used.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Turn a folder or a zip of images and captions into shards; count and name what is left out.

    Captions are found in this order: metadata.jsonl; captions or metadata as .csv, .tsv or .parquet; StyleGAN's
    dataset.json; a JSON like COCO's; a .txt beside each image. See docs/import.md.

    Example: t2igan data import pictures --size 64 --out datasets/pictures
    """
    from t2igan.cli.progress_bar import progress_bar
    from t2igan.cli.summary import show_summary
    from t2igan.data.importer import import_pictures
    from t2igan.data.listing.find import Captions
    from t2igan.data.listing.table import Columns

    with progress_bar("images") as on_progress:
        summary = import_pictures(
            source,
            out,
            captions=Captions(captions, Columns(image_column, caption_column)),
            size=size,
            background=background,
            per_shard=per_shard,
            is_strict=strict,
            on_progress=on_progress,
        )
    show_summary(summary, as_json=as_json)


def fluent_emoji(
    out: Out,
    archive: Annotated[
        list[Path] | None, typer.Option(help="The .tgz of a package; give both. Else npm fetches them.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Shrink to this side; they have 256 pixels.")] = None,
    per_shard: PerShard = 1000,
    as_json: AsJson = False,
) -> None:
    """Fetch 3,373 captioned emoji (MIT licence) through npm, and write them as shards, train and test apart.

    The npm packages are @lobehub/fluent-emoji-3d 1.1.0 and emojibase-data 17.0.0. See docs/emoji.md.

    Example: t2igan data fluent-emoji --size 64 --out datasets/emoji
    """
    from t2igan.cli.progress_bar import progress_bar
    from t2igan.cli.summary import show_summary
    from t2igan.data.fluent_emoji import write_fluent_emoji

    with progress_bar("emoji") as on_progress:
        summary = write_fluent_emoji(
            out, archives=archive or (), size=size, per_shard=per_shard, on_progress=on_progress
        )
    show_summary(summary, as_json=as_json)
