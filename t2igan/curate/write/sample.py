"""One kept sample -> the members of its output. Pixels are not touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from t2igan.curate.measures.captions import clean
from t2igan.data.pixels import BadSampleError
from t2igan.data.samples import MAX_BYTES, read_captions
from t2igan.errors import DataError

OURS = "t2igan"  # the key of a .json under which uid and scores stand
KEY_LENGTH = 24  # hex digits of the uid


def output_members(
    members: Mapping[str, bytes],
    *,
    key: str,
    suffix: str,
    image: bytes,
    origin: Mapping[str, Any],
    scores: Mapping[str, Any],
) -> dict[str, bytes]:
    """Suffix -> bytes of one output sample: the image as it is, the cleaned caption, and all that is known.

    Args:
        members: of the input.
        key: of the output.
        suffix: of the image, by its content: jpg, png or webp.
        image: its bytes.
        origin: source_shard and source_key.
        scores: uid and measured columns.

    Raises:
        DataError: if the sample is not what its score table says.
    """
    try:
        raw = read_captions(members)
        fields = json.loads(members.get("json", b"{}"))
    except (BadSampleError, ValueError, RecursionError) as error:
        raise DataError(
            f"{origin['source_key']}: is not what its score table says ({error}). Score again."
        ) from error
    cleaned = tuple(c for caption in raw if (c := clean(caption)))
    if not cleaned:
        raise DataError(f"{origin['source_key']}: has lost its caption since it was scored. Score again.")
    known = dict(fields) if isinstance(fields, dict) else {}
    said = known.get("caption")
    if (
        not isinstance(said, str) or " ".join(said.split()) in raw
    ):  # another text stays, as it stands nowhere else
        known["caption"] = cleaned[0]
    known |= {"key": key, "captions": list(cleaned), **origin}
    known |= {"caption_raw": list(raw)} if raw != cleaned and "caption_raw" not in known else {}
    earlier = known.get(OURS)  # of an input that was filtered before: its scores stay
    ours = (earlier if isinstance(earlier, dict) else {}) | dict(scores)
    known |= {"sha256": hashlib.sha256(image).hexdigest(), OURS: ours}
    return {
        suffix: image,
        "txt": _text(cleaned[0]),
        "json": _json(known, own=(OURS, "key", "captions", *origin)),
    }


def _text(caption: str) -> bytes:
    """UTF-8, cut where no reader would take more."""
    return caption.encode()[: MAX_BYTES["txt"]].decode("utf-8", "ignore").encode()


def _json(fields: Mapping[str, Any], *, own: tuple[str, ...]) -> bytes:
    """All fields; where no reader would take so many, those that matter least go first: raw captions, then foreign ones."""
    without_raw = {name: value for name, value in fields.items() if name != "caption_raw"}
    ours = {name: fields[name] for name in own}
    first = ours | {"captions": [_text(fields["captions"][0]).decode()]}
    for some in (fields, without_raw, ours):
        text = _encoded(some)
        if len(text) <= MAX_BYTES["json"]:
            return text
    return _encoded(first)


def _encoded(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")


class Keys:
    """Keys of output samples: the start of the uid, with -1, -2, ... for those that a shard holds twice."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def next(self, uid: str) -> str:
        """The key of the next sample with this uid."""
        key = uid[:KEY_LENGTH]  # uids that were only numbered begin alike
        number = self._seen.get(key, 0)
        self._seen[key] = number + 1
        return f"{key}-{number}" if number else key
