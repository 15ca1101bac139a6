"""Results of `eval upscale` as rows of tables, and what papers printed of other protocols. Prints nothing."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from t2igan.evaluation.coco.published import OTHER

TITLES = {
    "psnr_rgb": "PSNR, RGB (dB)",
    "psnr_y": "PSNR, Y (dB)",
    "ssim_y": "SSIM, Y",
    "consistency_psnr": "consistency, made small again (dB)",
}
HIGHER = tuple(TITLES)  # is better; of every other number, lower
DIGITS = {"psnr_rgb": ".2f", "psnr_y": ".2f", "consistency_psnr": ".2f"}
PAPER_HEADER = ("model", "parameters", f"FID, {OTHER}", "s/image, A100", "protocol", "source")


@dataclass(frozen=True)
class Row:
    """What a paper printed of one model."""

    model: str
    fid: float  # of whole pictures
    protocol: str
    source: str
    parameters: str = ""
    seconds: float | None = None


@cache
def published() -> tuple[Row, ...]:
    """Everything that is shipped."""
    text = resources.files("t2igan.evaluation.upscale").joinpath("published.toml").read_text(encoding="utf-8")
    return tuple(Row(**row) for row in tomllib.loads(text)["row"])


def table(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a result: a line a number, a column a method."""
    methods = result["methods"]
    header = ["", "better", *methods, "model over bicubic"]
    measures = [name for name in methods["model"] if name != "speed"]
    rows = [_row(name, methods) for name in measures]
    speeds = [values["speed"] for values in methods.values()]
    batch = speeds[0]["batch"]
    rows.append(["ms an image, one at a time", "lower", *(f"{s['ms_per_image']:.4g}" for s in speeds), ""])
    rows.append([f"images/s, {batch} at once", "higher", *(f"{s['images_per_s']:.4g}" for s in speeds), ""])
    rows.append(["on", "", *(s["device"] for s in speeds), ""])
    return header, rows


def paper_rows() -> list[list[str]]:
    """Rows under PAPER_HEADER; no number of theirs stands in a column of ours."""
    return [
        [
            row.model,
            row.parameters,
            f"{row.fid:g}",
            "" if row.seconds is None else f"{row.seconds:g}",
            row.protocol,
            row.source,
        ]
        for row in published()
    ]


def facts(result: dict[str, Any]) -> list[str]:
    """What was measured, a line each."""
    pictures, model = result["pictures"], result["model"]
    return [
        f"pictures: {pictures['name']}, {pictures['count']} of them, {pictures['prepared']} ({pictures['fingerprint']})",
        f"model: {model['name']}, {model['parameters'] / 1e6:.2f} M ({model['fingerprint']}), {model['passes']} pass(es), "
        f"tiles of {model['tile']} px overlapping by {model['overlap']}, {'with' if model['noise'] else 'without'} input noise",
        *result["recipe"],
        *(f"{name}: {network}" for name, network in result["networks"].items()),
    ]


def _row(measure: str, methods: dict[str, dict[str, Any]]) -> list[str]:
    form = DIGITS.get(measure, ".4f")
    cells = [_number(values[measure]["value"], form) for values in methods.values()]
    over = methods["model"][measure].get("over_bicubic")
    told = (
        ""
        if over is None or over["value"] is None
        else (f"{over['value']:+{form}} [{over['low']:+{form}}, {over['high']:+{form}}]")
    )
    return [TITLES.get(measure, measure), "higher" if measure in HIGHER else "lower", *cells, told]


def _number(value: float | None, form: str) -> str:
    return "infinite" if value is None else f"{value:{form}}"
