"""`t2igan data score|filter|write`: measure samples, and keep the good ones. Arguments in, one library call each."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from t2igan.cli.rule_options import Chosen, takes_rules
from t2igan.cli.score_options import (
    AestheticWeights,
    Batch,
    ClipWeights,
    Headers,
    MaxPixels,
    NoColumns,
    NoModel,
    NsfwWeights,
    QuickGelu,
    WatermarkWeights,
    heads_from,
    part_from,
    refuse_beside,
    refuse_idle,
)
from t2igan.cli.worker_options import Address, AsJson, Count, Engine, workers_from

Source = Annotated[str, typer.Argument(help="Folder, file, glob or brace pattern of shards, local or a URL.")]
Scores = Annotated[
    str | None, typer.Option("--scores", help="Folder of the score tables; default: beside the shards.")
]
DEFAULT_CLIP = "ViT-L-14/openai"
MAX_PIXELS = 178_956_970


def score(
    source: Source,
    clip: Annotated[
        str | None,
        typer.Option(
            "--clip",
            metavar="MODEL/TAG",
            help="Measure the cosine of image and caption, as by ViT-L-14/openai.",
        ),
    ] = None,
    clip_weights: ClipWeights = None,
    quick_gelu: QuickGelu = None,
    aesthetic_weights: AestheticWeights = None,
    aesthetic: Annotated[
        str | None, typer.Option("--aesthetic", metavar="HEAD", help="Name of its column; v2 unless given.")
    ] = None,
    watermark_weights: WatermarkWeights = None,
    nsfw_weights: NsfwWeights = None,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Keep the CLIP's image embeddings, for semantic duplicates.")
    ] = False,
    phash: Annotated[bool, typer.Option("--phash", help="Perceptual hashes, for near duplicates.")] = False,
    language: Annotated[bool, typer.Option("--language", help="Language of the caption.")] = False,
    scores: Scores = None,
    workers: Count = None,
    engine: Engine = "processes",
    address: Address = None,
    part: Annotated[
        str,
        typer.Option("--part", metavar="I/N", help="Only every N-th shard, for clusters without an engine."),
    ] = "0/1",
    batch: Batch = 64,
    max_pixels: MaxPixels = MAX_PIXELS,
    headers_only: Headers = False,
    no_columns: NoColumns = False,
    as_json: AsJson = False,
) -> None:
    """Measure every sample, and drop none: NNNNN.scores.parquet beside each shard.

    Sizes, captions, hashes, and scores that the data carries are always taken. What an earlier run measured stays, so that a
    measure can be added later. Decide with `t2igan data select`, which needs seconds.

    Example: t2igan data score datasets/web --clip ViT-L-14/openai --phash
    """
    from t2igan.cli.summary import show_summary
    from t2igan.curate.clip_choice import parse_clip
    from t2igan.curate.config import ScoreConfig
    from t2igan.curate.scoring import score_shards

    refuse_idle({"--aesthetic": aesthetic}, "--aesthetic-weights", is_idle=aesthetic_weights is None)
    heads = heads_from(aesthetic_weights, aesthetic or "v2", watermark_weights, nsfw_weights)
    name = clip or (DEFAULT_CLIP if heads or embeddings else None)
    refuse_idle(
        {"--clip-weights": clip_weights, "--quick-gelu/--gelu": quick_gelu}, "--clip", is_idle=name is None
    )
    config = ScoreConfig(
        clip=parse_clip(name, weights=clip_weights, quick_gelu=quick_gelu) if name else None,
        heads=heads,
        embeddings=embeddings,
        phash=phash,
        language=language,
        use_columns=not no_columns,
        decode=not headers_only,
        batch=batch,
        max_pixels=max_pixels,
    )
    summary = score_shards(
        source,
        config=config,
        scores=scores,
        workers=workers_from(workers, engine, address),
        part=part_from(part),
    )
    show_summary(summary, as_json=as_json)


@takes_rules
def filter_(
    source: Source,
    out: Annotated[str, typer.Argument(help="New or empty folder, or URL, for the shards that are kept.")],
    chosen: Chosen,
    clip_weights: ClipWeights = None,
    quick_gelu: QuickGelu = None,
    aesthetic_weights: AestheticWeights = None,
    watermark_weights: WatermarkWeights = None,
    nsfw_weights: NsfwWeights = None,
    scores: Scores = None,
    workers: Count = None,
    engine: Engine = "processes",
    address: Address = None,
    batch: Batch = 64,
    max_pixels: MaxPixels = MAX_PIXELS,
    headers_only: Headers = False,
    no_columns: NoColumns = False,
    no_model: NoModel = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="A sample that cannot be used is an error, before anything is written."
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a data set that was made with other settings.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score what is missing, select, and write what is kept: one output shard for each input shard.

    Cheap rules come first, so that no network sees what they drop. Killed at any time, the same command goes on. See
    `t2igan data presets` for rules that others used, and `t2igan data preview` to look at what they drop.

    Example: t2igan data filter datasets/web datasets/good --min-resolution 256 --max-aspect 3 --min-clip 0.28
    --min-aesthetic 5 --caption-words 2..70 --dedup phash --max-watermark .5
    """
    from t2igan.cli.summary import show_summary
    from t2igan.curate.filtering import filter_shards

    heads = heads_from(aesthetic_weights, chosen.rules.aesthetic or "v2", watermark_weights, nsfw_weights)
    rules, clip = _with_clip(chosen, needs_one=bool(heads), weights=clip_weights, quick_gelu=quick_gelu)
    from t2igan.curate.config import ScoreConfig

    if no_model:
        given = {"--clip-weights": clip_weights, "--aesthetic-weights": aesthetic_weights, "--watermark-weights": watermark_weights,
                 "--nsfw-weights": nsfw_weights, "--no-columns": no_columns, "--dedup embedding": "embedding" in rules.dedup}  # fmt: skip
        refuse_beside("--no-model", given)
        clip = None
    config = ScoreConfig(
        clip=clip,
        heads=heads,
        embeddings="embedding" in rules.dedup,
        phash="phash" in rules.dedup,
        language=bool(rules.languages),
        use_columns=not no_columns,
        decode=not headers_only,
        batch=batch,
        max_pixels=max_pixels,
    )
    summary = filter_shards(
        source,
        out,
        rules=rules,
        config=config,
        preset=chosen.preset,
        scores=scores,
        workers=workers_from(workers, engine, address),
        is_strict=strict,
        overwrites=overwrite,
    )
    show_summary(summary, as_json=as_json)


def write(
    source: Source,
    out: Annotated[str, typer.Argument(help="New or empty folder, or URL, for the shards that are kept.")],
    selection: Annotated[
        str, typer.Option("--selection", metavar="FOLDER", help="What `data select --out` wrote.")
    ],
    scores: Scores = None,
    workers: Count = None,
    engine: Engine = "processes",
    address: Address = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a data set that was made with another selection.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the samples that a selection keeps: one output shard for each input shard.

    Example: t2igan data write datasets/web datasets/good --selection datasets/web.kept
    """
    from t2igan.cli.summary import show_summary
    from t2igan.curate.writing import write_selected

    summary = write_selected(
        source,
        out,
        selection=selection,
        scores=scores,
        workers=workers_from(workers, engine, address),
        overwrites=overwrite,
    )
    show_summary(summary, as_json=as_json)


def _with_clip(
    chosen: Chosen, *, needs_one: bool, weights: str | None, quick_gelu: bool | None
) -> tuple[Any, Any]:
    """The rules, naming their CLIP as its column does, and that CLIP; None if nothing asks for one."""
    from t2igan.curate.clip_choice import parse_clip
    from t2igan.curate.config import clip_name
    from t2igan.curate.presets import check_used

    rules = chosen.rules
    is_judged = rules.min_clip is not None or rules.clip_top is not None or "embedding" in rules.dedup
    if not is_judged and not needs_one:
        refuse_idle(
            {"--clip-weights": weights, "--quick-gelu/--gelu": quick_gelu}, "--min-clip", is_idle=True
        )
        check_used(rules)
        return rules, None
    clip = parse_clip(chosen.clip or rules.clip or DEFAULT_CLIP, weights=weights, quick_gelu=quick_gelu)
    return (rules.model_copy(update={"clip": clip_name(clip)}) if is_judged else rules), clip
