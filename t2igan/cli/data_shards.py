"""`t2igan data bucket|embed|validate`: what is made of shards, and what is wrong with them. One library call each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from t2igan.cli.score_options import MaxPixels, QuickGelu
from t2igan.cli.worker_options import Address, AsJson, Count, Engine, workers_from
from t2igan.errors import UsageError

if TYPE_CHECKING:
    from t2igan.text.config import ConditionerConfig

Source = Annotated[str, typer.Argument(help="Folder, file, glob or brace pattern of shards, local or a URL.")]
Encoder = Literal["clip_text", "small_clip", "hashing"]
MAX_PIXELS = 178_956_970
ERRORS = 4  # exit code where something is broken


def bucket(
    source: Source,
    out: Annotated[str, typer.Argument(help="Folder or URL; each size has a folder below it.")],
    sizes: Annotated[str, typer.Option("--sizes", help="Sides of the squares in pixels, as in 64,256.")],
    workers: Count = None,
    engine: Engine = "processes",
    address: Address = None,
    max_pixels: MaxPixels = MAX_PIXELS,
    strict: Annotated[
        bool, typer.Option("--strict", help="Samples that cannot be used are an error, once all is written.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace buckets that were made with other settings.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Cut and shrink every picture beforehand, into a folder of shards for each resolution.

    Keys and order are the same in every size, so that a stage of training goes on where the last one was. Pictures that
    are too small for a size are left out of it and counted; nothing is enlarged. A recipe reads them as
    `data.shards: OUT/{resolution}`. Killed at any time, the same command goes on.

    Example: t2igan data bucket datasets/good datasets/squares --sizes 64,256
    """
    from t2igan.cli.summary import show_summary
    from t2igan.curate.bucket.run import bucket_shards

    summary = bucket_shards(
        source,
        out,
        sizes=_sizes(sizes),
        workers=workers_from(workers, engine, address),
        max_pixels=max_pixels,
        is_strict=strict,
        overwrites=overwrite,
    )
    if not as_json:
        for size, found in summary.pop("buckets").items():
            summary[f"{size} px"] = {"kept": found["kept"], **found["reasons"]}
    show_summary(summary, as_json=as_json)


def _sizes(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--sizes {text}: give sides in pixels, separated by commas, as in 64,256.")
    return [int(part) for part in parts]


def embed(
    source: Source,
    conditioner: Annotated[Encoder | None, typer.Option(help="Kind of text encoder.")] = None,
    model: Annotated[
        str | None, typer.Option(help="open_clip model of clip_text, ViT-L-14 if not given.")
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option(help="Its open_clip tag or local weights; openai if not given.")
    ] = None,
    quick_gelu: QuickGelu = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Checkpoint of small_clip, as in embedded:shapes_clip.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Take the conditioner of this recipe, a name or a file.")
    ] = None,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Also keep one feature a token, if the encoder gives them.")
    ] = False,
    out: Annotated[
        str | None,
        typer.Option(help="Folder for the files; training reads them beside the shards, the default."),
    ] = None,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Captions that the encoder sees at once.")
    ] = 256,
    workers: Count = None,
    engine: Engine = "processes",
    address: Address = None,
    lists: Annotated[
        bool, typer.Option("--list", help="Show what is there and which shards lack it; embed nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compute text embeddings once: NNNNN.text-FINGERPRINT.safetensors beside each shard.

    Training reads them where the fingerprint is that of the recipe's encoder, and says so; it then runs no text encoder.
    Killed at any time, the same command goes on.

    Example: t2igan data embed datasets/good --recipe full

    Example: t2igan data embed datasets/good --conditioner clip_text --model ViT-L-14 --pretrained openai
    """
    if lists:
        _list_embeddings(source, out, as_json=as_json)
        return
    from t2igan.cli.summary import show_summary
    from t2igan.curate.embed.run import embed_shards

    config = (
        _of_recipe(recipe, (conditioner, model, pretrained, quick_gelu, checkpoint))
        if recipe
        else _conditioner(conditioner, model, pretrained, quick_gelu, checkpoint)
    )
    summary = embed_shards(
        source,
        conditioner=config,
        has_tokens=tokens,
        out=out,
        batch=batch,
        workers=workers_from(workers, engine, address),
    )
    show_summary(summary, as_json=as_json)


def _list_embeddings(source: str, out: str | None, *, as_json: bool) -> None:
    from t2igan.cli.shard_tables import show_embeddings
    from t2igan.curate.embed.listing import list_embeddings

    found = list_embeddings(source, out=out)
    if as_json:
        print(json.dumps(found))
    else:
        show_embeddings(found)


def _of_recipe(name: str, others: tuple[object, ...]) -> ConditionerConfig:
    """The conditioner of a recipe.

    Raises:
        UsageError: if options say something else, or the recipe trains an encoder itself.
    """
    from t2igan.recipe.load import load_recipe
    from t2igan.recipe.schema import GanRecipe

    if any(option is not None for option in others):
        raise UsageError("--recipe names the text encoder: leave the options that choose another one out.")
    found = load_recipe(name)
    if not isinstance(found, GanRecipe):
        raise UsageError(
            f"--recipe {name}: trains an encoder and has no conditioner. Give a recipe of a generator."
        )
    if found.conditioner.kind == "none":
        raise UsageError(f"--recipe {name}: its networks read no text, so there is nothing to embed.")
    return found.conditioner


def _conditioner(
    kind: Encoder | None,
    model: str | None,
    pretrained: str | None,
    quick_gelu: bool | None,
    checkpoint: str | None,
) -> ConditionerConfig:
    """The text encoder that the options name.

    Raises:
        UsageError: if they contradict each other.
    """
    from t2igan.text.config import ClipTextConfig, HashingConfig, SmallClipTextConfig

    kind = kind or ("small_clip" if checkpoint else "clip_text")
    has_clip = any(option is not None for option in (model, pretrained, quick_gelu))
    if (has_clip and kind != "clip_text") or (checkpoint and kind != "small_clip"):
        raise UsageError(f"{kind} does not take these options: --model, --pretrained and --quick-gelu belong to clip_text, "
                         "--checkpoint to small_clip.")  # fmt: skip
    if kind == "clip_text":
        return ClipTextConfig(
            model=model or "ViT-L-14", pretrained=pretrained or "openai", quick_gelu=quick_gelu
        )
    if kind == "small_clip":
        return SmallClipTextConfig(checkpoint=checkpoint) if checkpoint else SmallClipTextConfig()
    return HashingConfig()


def validate(
    source: Source,
    decode: Annotated[
        bool, typer.Option("--decode/--headers", help="Decode every image, or only read its header.")
    ] = True,
    out: Annotated[
        str | None,
        typer.Option(help="Folder that keeps what was found of each shard, so that a killed run goes on."),
    ] = None,
    workers: Count = None,
    engine: Engine = "processes",
    address: Address = None,
    max_pixels: MaxPixels = MAX_PIXELS,
    as_json: AsJson = False,
) -> None:
    """Check a set of shards, and name what is broken in which shard and sample; nothing is changed.

    Tars, names in them, captions, images, the files beside each shard, and keys across shards. Errors cost samples or
    trust; with remarks training does the right thing. Ends with code 4 if there is an error.

    Example: t2igan data validate datasets/good
    """
    from t2igan.cli.shard_tables import show_findings
    from t2igan.curate.validate.run import validate_shards

    summary = validate_shards(
        source,
        decodes=decode,
        kept=out,
        max_pixels=max_pixels,
        workers=workers_from(workers, engine, address),
    )
    if as_json:
        print(json.dumps(summary))
    else:
        show_findings(summary)
    if summary["errors"]:
        raise typer.Exit(ERRORS)
