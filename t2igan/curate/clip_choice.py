"""The CLIP of a score: what a user writes -> its settings. Torch-free."""

from __future__ import annotations

from pathlib import Path

from t2igan.curate.config import EMBEDDED, FILES
from t2igan.errors import UsageError
from t2igan.metrics.config import ClipFeaturesConfig, ScorerConfig, SmallClipFeaturesConfig


def parse_clip(text: str, *, weights: str | None = None, quick_gelu: bool | None = None) -> ScorerConfig:
    """What `--clip` names.

    Args:
        text: MODEL/TAG of open_clip; MODEL alone (or a model-config .json) with `weights`; embedded:NAME or the path of a
            checkpoint of kind `clip`.
        weights: local file instead of open_clip's weights.
        quick_gelu: the activation of local weights; None = what the tag needs.

    Raises:
        UsageError: if it is none of these.
    """
    is_checkpoint = text.startswith(EMBEDDED) or (text.endswith(".safetensors") and Path(text).is_file())
    if is_checkpoint and weights is None:
        return SmallClipFeaturesConfig(checkpoint=text)
    if weights is not None:
        return ClipFeaturesConfig(model=text.partition("/")[0] if not Path(text).is_file() else text, pretrained=weights,
                                  quick_gelu=quick_gelu)  # fmt: skip
    model, slash, tag = text.rpartition("/")
    if not slash or not model or not tag or text.endswith(FILES):
        raise UsageError(f"--clip {text}: give MODEL/TAG as in ViT-L-14/openai, or MODEL with --clip-weights FILE, or a "
                         "checkpoint of kind clip.")  # fmt: skip
    return ClipFeaturesConfig(model=model, pretrained=tag, quick_gelu=quick_gelu)
