"""What an inspection means for training, in words: lines for comments and a table, and warnings with their remedies."""

from __future__ import annotations

from t2igan.data.inspect import NO_CAPTION, Inspection
from t2igan.init_recipe.policy import Machine, Plan, context_length, percent, training_split, typical_longest
from t2igan.init_recipe.table import MIN_REACHING, RESOLUTIONS, TOKENS_PER_WORD

FEW = 500  # pictures
FAR_FROM_SQUARE = 0.15  # share that the crop leaves out; 4:3 pictures lose 0.25
CLIP_TOKENS, CLIP_TOKENS_PER_WORD = 77, 1.6  # OpenAI's tokenizer on English prose and on the emoji captions


def pictures_line(found: Inspection) -> str:
    """Such as "3,373 pictures, 256 to 512 px on the shorter side (median 256)"."""
    sides = found.sides
    counted = f"{found.usable:,} pictures" if found.is_exact else f"about {found.usable:,} pictures"
    return f"{counted}, {_range(sides[0], sides[-1])} px on the shorter side (median {_median(sides)})"


def captions_line(found: Inspection) -> str:
    """Such as "captions of 3 to 11 words (median 5; 95 % have at most 9)"."""
    words = found.words
    spread = f"median {_median(words)}; 95 % have at most {typical_longest(found)}"
    return f"captions of {_range(words[0], words[-1])} words ({spread})"


def rows(found: Inspection) -> dict[str, str]:
    """The findings as a table: name -> text."""
    distinct = f"{'' if found.is_exact else 'at least '}{found.distinct_captions:,}"
    table = {
        "data": f"{found.source} ({found.kind})",
        "pictures": pictures_line(found),
        "reach": ", ".join(f"{px} px: {percent(found.share_reaching(px))}" for px in RESOLUTIONS),
        "centre crop": f"leaves out {percent(found.crop_loss)} of the average picture",
        "captions": f"{captions_line(found).removeprefix('captions of ')}; {distinct} different ones",
    }
    if found.splits:
        table["splits"] = ", ".join(f"{name}: {count:,}" for name, count in found.splits.items())
    if found.problems:
        table["unusable"] = ", ".join(f"{count} x {reason}" for reason, count in found.problems.items())
    if not found.is_exact:
        table["looked at"] = f"{found.looked_at:,} of {found.count:,}, chosen evenly; shares are of these"
    return table


def warnings(found: Inspection, plan: Plan, machine: Machine) -> list[str]:
    """What the user should know before training, each with what to do."""
    told = [*_about_pictures(found, plan), *_about_captions(found, machine)]
    split = training_split(found)
    if split not in ("", "train"):
        told.append(
            f"no split is called train; training uses the largest, {split!r}. Change data.shards if that is wrong."
        )
    return told


def _about_pictures(found: Inspection, plan: Plan) -> list[str]:
    told = []
    if plan.pictures < FEW:
        told.append(
            f"{plan.pictures:,} pictures are few: expect drawings that resemble single pictures, and little for captions "
            "that are not among them. A few thousand different ones are a start; copies or crops of the same do not count."
        )
    share = found.share_reaching(plan.resolution)
    if share < MIN_REACHING:
        told.append(
            f"{percent(1 - share)} of the pictures are smaller than {plan.resolution} px and are left out, as nothing is ever "
            "enlarged. Give larger ones, or a smaller --resolution."
        )
    if found.crop_loss > FAR_FROM_SQUARE:
        told.append(
            f"the pictures are far from square: the centre crop leaves out {percent(found.crop_loss)} of the average one, which "
            "may be what its caption speaks of. Crop or pad them yourself first."
        )
    broken = {reason: count for reason, count in found.problems.items() if reason != NO_CAPTION}
    if broken:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in broken.items())
        told.append(f"of {found.looked_at:,} samples some cannot be used, and are left out: {reasons}.")
    return told


def _about_captions(found: Inspection, machine: Machine) -> list[str]:
    told = []
    missing = found.problems.get(NO_CAPTION, 0)
    if missing:
        fix = "Put a .txt of the same name beside each, or a row with text into metadata.jsonl."
        if found.kind == "shards":
            fix = "In shards the caption of NAME.jpg is the member NAME.txt."
        told.append(f"{missing:,} of {found.looked_at:,} pictures have no caption and are left out. {fix}")
    if found.distinct_captions == 1 and len(found.words) > 1:
        told.append(
            "all captions are the same: the model cannot learn to follow words. Write what tells the pictures apart."
        )
    tokens, per_word = CLIP_TOKENS, CLIP_TOKENS_PER_WORD
    if machine.device == "cpu":
        tokens, per_word = context_length(found), TOKENS_PER_WORD
    fits = int((tokens - 2) / per_word)
    if typical_longest(found) > fits:
        told.append(
            f"captions longer than about {fits} words are cut, and more than 5 % are. Put the important words first."
        )
    return told


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _median(ordered: list[int] | tuple[int, ...]) -> int:
    return ordered[len(ordered) // 2]
