"""What GenEval's and T2I-CompBench's own programs found, as scores with intervals. Torch-free; it judges no picture."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from t2igan.errors import DataError
from t2igan.metrics.intervals import bootstrap_mean, wilson

GENEVAL_PROMPTS, GENEVAL_COUNT = 553, 4
GENEVAL_OVERALL = {  # printed in the README of GenEval's repository
    "minDALL-E": 0.23,
    "CLIP retrieval": 0.35,
    "SD 1.5": 0.43,
    "SD 2.1": 0.50,
    "SDXL": 0.55,
    "IF-XL": 0.61,
}


def read_geneval(results: Path) -> dict[str, Any]:
    """Scores of a results.jsonl of GenEval.

    Args:
        results: JSON lines, one a picture, with `tag`, `prompt`, `correct` and `metadata`.

    Returns:
        {"tasks": tag -> Wilson's interval of correct pictures, "overall": mean of the tasks, "pictures", "prompts",
        "correct_prompts": share of prompts with a correct picture, "warnings"}.

    Raises:
        DataError: naming the line that is no result.
    """
    rows = [
        _geneval_row(line, f"{results}:{n}")
        for n, line in enumerate(_text(results).splitlines(), 1)
        if line.strip()
    ]
    if not rows:
        raise DataError(
            f"{results}: holds no results. Run GenEval's evaluate_images.py on the exported folder."
        )
    tasks, prompts = defaultdict[str, list[bool]](list), defaultdict[str, list[bool]](list)
    for tag, prompt, is_correct in rows:
        tasks[tag].append(is_correct)
        prompts[prompt].append(is_correct)
    shares = {tag: wilson(sum(found), len(found)).as_dict() for tag, found in tasks.items()}
    sizes, warnings = Counter(map(len, prompts.values())), []
    if sizes != {GENEVAL_COUNT: GENEVAL_PROMPTS}:
        warnings.append(
            f"{len(rows)} pictures of {len(prompts)} prompts; published values are of {GENEVAL_PROMPTS} prompts with "
            f"{GENEVAL_COUNT} pictures each"
        )
    return {
        "tasks": shares,
        "overall": sum(share["value"] for share in shares.values()) / len(shares),
        "pictures": len(rows),
        "prompts": len(prompts),
        "correct_prompts": sum(map(any, prompts.values())) / len(prompts),
        "warnings": warnings,
    }


def read_compbench(results: Path, *, count: int = 10) -> dict[str, Any]:
    """The score of a vqa_result.json of T2I-CompBench, which BLIP-VQA, UniDet, CLIP and 3-in-1 write alike.

    Args:
        results: a JSON list, one object a picture, with `question_id`, its running number, and `answer`, its score.
        count: pictures a prompt, as they were drawn.

    Returns:
        {"score": the mean, with a 95 % interval by a bootstrap over prompts, "pictures", "prompts"}.

    Raises:
        DataError: if the file is another, or pictures are missing.
    """
    try:
        rows = json.loads(_text(results))
        scores = {int(row["question_id"]): float(row["answer"]) for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{results}: no list of objects with question_id and answer. Give vqa_result.json of T2I-CompBench."
        ) from error
    if not scores or sorted(scores) != list(range(len(rows))) or len(scores) % count:
        raise DataError(
            f"{results}: {len(scores)} pictures, numbered through, are not {count} of each prompt. Judge all of them, or give the "
            "--count that they were drawn with."
        )
    means = [sum(scores[i + k] for k in range(count)) / count for i in range(0, len(scores), count)]
    return {"score": bootstrap_mean(means).as_dict(), "pictures": len(scores), "prompts": len(means)}


def _geneval_row(line: str, where: str) -> tuple[str, str, bool]:
    try:
        found = json.loads(line)
        tag, is_correct = found["tag"], found["correct"]
        prompt = str(found.get("metadata") or found["prompt"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{where}: no JSON object with tag, prompt and correct. Give GenEval's results.jsonl."
        ) from error
    if not isinstance(is_correct, bool) or not isinstance(tag, str):
        raise DataError(f"{where}: `correct` is true or false, and `tag` a text.")
    return tag, prompt, is_correct


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}). Give the file that the benchmark's program wrote."
        ) from error
