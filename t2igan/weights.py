"""Where frozen third-party networks and their weights come from; the only importer of timm, open_clip and clean-fid.

Where their files lie is weight_places.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from t2igan.errors import WeightsError
from t2igan.weight_places import SUFFIXES, find_weights, import_library

TIMM_FILES = ("model.safetensors", "pytorch_model.bin")  # names inside a hub repository
OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def timm_model(name: str, *, pretrained: bool = True, file: str | None = None) -> nn.Module:
    """A timm model without its classifier, in evaluation mode.

    Args:
        name: timm's model name, with the tag of its weights after a dot.
        pretrained: False = random weights, for tests.
        file: local weights instead of timm's.

    Raises:
        WeightsError: if the model is unknown or its weights are not on this machine.
    """
    timm = _known_timm(name)
    if not pretrained and file is None:
        return timm.create_model(name, pretrained=False, num_classes=0).eval()
    path = timm_file(name, file)
    overlay = {"file": str(path)} if path else None
    with _explained(name, path):
        return timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay).eval()


def timm_file(name: str, file: str | None = None) -> Path | None:
    """Where a timm model's weights lie; None = not here, but they may be downloaded. Arguments as for `timm_model`.

    Raises:
        WeightsError: if the model is unknown or its weights are nowhere.
    """
    repository = getattr(_known_timm(name).get_pretrained_cfg(name), "hf_hub_id", None)
    return find_weights(name, file, repository, TIMM_FILES)


def vision_transformer(**geometry: float) -> nn.Module:
    """A timm VisionTransformer of any geometry, with random weights and no classifier; arguments are timm's."""
    return (
        import_library("timm").models.vision_transformer.VisionTransformer(num_classes=0, **geometry).eval()
    )


def open_clip_model(model: str, *, pretrained: str | None = None, quick_gelu: bool | None = None) -> Any:
    """An open_clip model (image and text tower) on the CPU, in evaluation mode; on the default device without weights.

    Args:
        model: open_clip's model name, or the path of a model-config JSON.
        pretrained: open_clip's tag, or a local file; None = random weights, for tests.
        quick_gelu: the activation of OpenAI's weights; None = what the tag needs. A local file for a model that OpenAI
            trained must say so: with the wrong activation the numbers are silently wrong.

    Raises:
        WeightsError: if the model or tag is unknown, or the weights are not on this machine.
    """
    open_clip = import_library("open_clip")
    name = _known_open_clip(open_clip, model)
    if pretrained is None:
        place = torch.get_default_device()  # `with torch.device("meta")` builds without memory
        return open_clip.create_model(name, force_quick_gelu=bool(quick_gelu), device=place).eval()
    path = open_clip_file(name, pretrained, quick_gelu=quick_gelu)
    gelu = quick_gelu_of(name, pretrained, quick_gelu)
    with _explained(name, path):
        source = str(path) if path else pretrained
        return open_clip.create_model(name, source, force_quick_gelu=gelu, require_pretrained=True).eval()


def open_clip_file(model: str, pretrained: str, *, quick_gelu: bool | None = None) -> Path | None:
    """Where an open_clip model's weights lie; None = not here, but they may be downloaded. Arguments as for `open_clip_model`.

    Raises:
        WeightsError: if the model or tag is unknown, or its weights are nowhere.
    """
    open_clip = import_library("open_clip")
    name = _known_open_clip(open_clip, model)
    tags = open_clip.list_pretrained_tags_by_model(name)
    file = pretrained if _is_file_name(pretrained) else None
    config = {} if file else open_clip.get_pretrained_cfg(name, pretrained)
    if file is None and not config:
        raise WeightsError(
            f"open_clip model {name!r} has no weights {pretrained!r}. Known: {', '.join(tags) or 'none'}."
        )
    if file and quick_gelu is None and "openai" in tags:
        raise WeightsError(
            f"{file}: {name} exists with two activations. Set quick_gelu: true for OpenAI's weights, else false."
        )
    return find_weights(f"{name}.{pretrained}", file, config.get("hf_hub"), OPEN_CLIP_FILES)


def quick_gelu_of(model: str, pretrained: str | None, quick_gelu: bool | None) -> bool:
    """The activation of a model's weights: as told, else as open_clip knows its tag."""
    if quick_gelu is not None or pretrained is None or _is_file_name(pretrained):
        return bool(quick_gelu)
    return bool((import_library("open_clip").get_pretrained_cfg(model, pretrained) or {}).get("quick_gelu"))


def open_clip_dim(model: str, pretrained: str) -> int:
    """Length of an open_clip model's embeddings; its weights need not be on this machine.

    Args:
        model: open_clip's model name, or the path of a model-config JSON.
        pretrained: open_clip's tag, or a local file.

    Raises:
        WeightsError: if the model or tag is unknown.
    """
    return int(_described_open_clip(model, pretrained)["embed_dim"])


def open_clip_token_width(model: str, pretrained: str) -> int:
    """Width of an open_clip model's text tokens; arguments and errors as for `open_clip_dim`."""
    return int(_described_open_clip(model, pretrained)["text_cfg"]["width"])


def _described_open_clip(model: str, pretrained: str) -> dict[str, Any]:
    """open_clip's config of a model whose weights it knows."""
    open_clip = import_library("open_clip")
    name = _known_open_clip(open_clip, model)
    tags = open_clip.list_pretrained_tags_by_model(name)
    if not (_is_file_name(pretrained) or open_clip.get_pretrained_cfg(name, pretrained)):
        raise WeightsError(
            f"open_clip model {name!r} has no weights {pretrained!r}. Known: {', '.join(tags) or 'none'}."
        )
    if _is_file_name(pretrained) and "openai" in tags:
        raise WeightsError(
            f"{pretrained}: {name} exists with two activations, so name its weights by tag, and put the file into "
            f"$T2IGAN_WEIGHTS as {name}.TAG{SUFFIXES[0]}. Tags: {', '.join(tags)}."
        )
    return open_clip.get_model_config(name)


def open_clip_tokenizer(model: str) -> Any:
    """open_clip's tokenizer for a model name or model-config JSON; its vocabulary ships with open_clip."""
    open_clip = import_library("open_clip")
    return open_clip.get_tokenizer(_known_open_clip(open_clip, model))


def open_clip_preparation(model: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """open_clip's evaluation transform of a model, in two parts: what is done to a picture, and what to a batch.

    Returns:
        PIL picture -> PIL picture of the model's input size (a bicubic resize of the shorter side and a centre crop,
        unless the model says otherwise); float images [N, 3, H, W] in [0, 1] -> the model's input.
    """
    transform = import_library("open_clip.transform")
    told = transform.PreprocessCfg(**model.visual.preprocess_cfg)
    whole = transform.image_transform_v2(told, is_train=False)
    *on_pictures, _to_tensor, normalize = whole.transforms
    return type(whole)(on_pictures), normalize


def clean_fid_resizer(size: int) -> Callable[..., Any]:
    """clean-fid's anti-aliased bicubic resize: uint8 [H, W, 3] array -> float32 [size, size, 3] array, 0..255."""
    resize = import_library("cleanfid.resize")
    return resize.make_resizer("PIL", False, "bicubic", (size, size))


def clean_fid_folder_features(
    folder: Path, network: Callable[[Any], Any], *, batch: int, workers: int = 0
) -> Any:
    """clean-fid's own features of a folder, in the order of its names, in mode `clean` on the CPU.

    Args:
        folder: of pictures.
        network: float images [N, 3, 299, 299], 0..255 -> features [N, d].
        batch: pictures at once.
        workers: processes that read; 0 = this one.

    Returns:
        [N, d] float32 array.
    """
    settings: dict[str, Any] = {"num_workers": workers, "batch_size": batch, "device": torch.device("cpu")}
    features = import_library("cleanfid.fid").get_folder_features
    return features(str(folder), model=network, mode="clean", verbose=False, **settings)


def _known_timm(name: str) -> Any:
    """timm, once it is clear that it has the model."""
    timm = import_library("timm")
    if not timm.is_model(name):
        raise WeightsError(
            f"timm {timm.__version__} has no model {name!r}. See timm.list_models(), or upgrade timm."
        )
    return timm


def _known_open_clip(open_clip: Any, model: str) -> str:
    """Register a model-config JSON if `model` is one, and return the model's name."""
    if model.endswith(".json"):
        if not Path(model).is_file():
            raise WeightsError(f"open_clip model config {model} does not exist. Correct the path.")
        open_clip.add_model_config(model)
        return Path(model).stem
    if model not in open_clip.list_models():
        raise WeightsError(
            f"open_clip has no model {model!r}. See open_clip.list_models(), or give a config JSON."
        )
    return model


def _is_file_name(pretrained: str) -> bool:
    return pretrained.endswith(SUFFIXES) or "/" in pretrained


@contextmanager
def _explained(name: str, path: Path | None) -> Iterator[None]:
    """Turn a library's failure to load weights into one line of ours."""
    try:
        yield
    except Exception as error:
        source = path or "the download"
        raise WeightsError(
            f"{name}: cannot load its weights from {source}: {error}. Fetch the file again."
        ) from error
