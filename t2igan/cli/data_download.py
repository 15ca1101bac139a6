"""`t2igan data download`: URLs into shards. Arguments in, one library call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from t2igan.cli.data_import import AsJson, Background


def download(
    urls: Annotated[
        Path, typer.Argument(help="Table of URLs (csv, tsv, txt, jsonl, parquet), or a folder of them.")
    ],
    out: Annotated[
        Path, typer.Option("--out", help="New folder, or that of an earlier call, which goes on.")
    ],
    size: Annotated[int, typer.Option(help="Shrink the shorter side to this.")] = 512,
    min_size: Annotated[int, typer.Option(help="Leave out images with a shorter side below this.")] = 64,
    max_aspect: Annotated[float, typer.Option(help="Leave out images longer than this many widths.")] = 3.0,
    background: Background = "white",
    url_column: Annotated[str | None, typer.Option(help="Column of the URLs; else found by name.")] = None,
    caption_column: Annotated[
        str | None, typer.Option(help="Column of the captions; else found by name.")
    ] = None,
    per_shard: Annotated[int, typer.Option("--per-shard", help="URLs of one tar.")] = 10_000,
    processes: Annotated[int | None, typer.Option(help="Processes that download; else one a core.")] = None,
    threads: Annotated[int, typer.Option(help="Downloads at a time in each process.")] = 64,
    timeout: Annotated[float, typer.Option(help="Seconds without a byte before giving up a URL.")] = 10,
    retries: Annotated[int, typer.Option(help="Further tries of a URL, at once.")] = 1,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Try what could not be downloaded again, into further shards."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Download images by a table of URLs and captions; the same command again goes on where it was stopped.

    Runs img2dataset (`pip install 't2igan[download]'`; Python 3.11 or 3.12). See docs/download.md.

    Example: t2igan data download urls.parquet --size 256 --out datasets/web
    """
    import os

    from t2igan.cli.progress_bar import progress_bar
    from t2igan.cli.summary import show_summary
    from t2igan.data.download.options import DownloadOptions
    from t2igan.data.download.run import download as run_download

    options = DownloadOptions(
        size=size,
        min_size=min_size,
        max_aspect=max_aspect,
        background=background,
        url_column=url_column,
        caption_column=caption_column,
        per_shard=per_shard,
        processes=processes or os.cpu_count() or 1,
        threads=threads,
        timeout_s=timeout,
        retries=retries,
    )
    with progress_bar("URLs") as on_progress:
        summary = run_download(urls, out, options, is_retry=retry_failed, on_progress=on_progress)
    show_summary(summary, as_json=as_json)
