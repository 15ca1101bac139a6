"""From a checkpoint and a prompt to images: the one inference path of the CLI, metrics and notebooks. It trains nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from t2igan import checkpoint, images, rng
from t2igan.checkpoint import Header, part, with_prefix
from t2igan.decode import decode_json
from t2igan.errors import CheckpointError, UsageError
from t2igan.models import build_generator, checkpoint_kind
from t2igan.models.config import GeneratorConfig
from t2igan.text import build_conditioner
from t2igan.text.config import ConditionerConfig
from t2igan.types import Conditioner, NoiseMode
from t2igan.upscaler.chain import Chain
from t2igan.upscaler.model import Upscaler

DEFAULT_MODEL = "embedded:shapes"
Weights = Literal["ema", "raw"]
PSI_RANGE = (-2.0, 2.0)


@dataclass(frozen=True)
class TextToImage:
    """A generator with the text encoder it was trained on.

    >>> model = TextToImage.from_checkpoint()                        # the embedded model, offline
    >>> model.generate(["a small red circle on a white background"], seeds=[0])   # uint8 [1, 3, R, R]
    """

    G: Any
    conditioner: Conditioner
    header: Header
    fingerprint: str  # of the generator's weights
    device: torch.device

    @classmethod
    def from_checkpoint(
        cls, path: str | Path | None = None, *, device: str | torch.device = "cpu", weights: Weights = "ema"
    ) -> TextToImage:
        """Read a model.

        Args:
            path: a checkpoint of kind `generator` or `state`; None = the model inside the package.
            device: where to run.
            weights: `ema`, or `raw` for the generator as the optimiser left it, which only a state holds.

        Raises:
            CheckpointError: if the file is missing, damaged, of another kind or format.
            WeightsError: if its text encoder is not on this machine.
        """
        name = DEFAULT_MODEL if path is None else path
        header, tensors = _read(name, weights)
        prefix = {"ema": "G_ema", "raw": "G"}[weights]
        own = part(tensors, prefix)
        if not own:
            raise CheckpointError(
                f"{name}: holds no {weights} weights; only a run's state/*.safetensors has raw ones."
            )
        config = decode_json(json.dumps(header.config), GeneratorConfig, source=f"header of {name}")
        with torch.device("meta"):  # a header may describe a network that no memory holds
            checkpoint.check_fit(build_generator(config), own, source=str(name))
        G = build_generator(config)
        checkpoint.load_strictly(G, own, source=str(name))
        section = decode_json(json.dumps(header.conditioner), ConditionerConfig, source=f"header of {name}")
        conditioner = build_conditioner(section, part(tensors, "conditioner"), device=device)
        G.eval().requires_grad_(False).to(device)
        return cls(G, conditioner, header, checkpoint.fingerprint(own), torch.device(device))

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""
        return self.G.img_resolution

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        psi: float = 1.0,
        psi_global: float | None = None,
        noise_mode: NoiseMode = "const",
        batch_size: int = 64,
    ) -> Tensor:
        """One image a prompt: prompt i with seed i. The same image in any batch.

        Args:
            prompts: N texts; an empty one is an error, one beyond the encoder's context is cut (see `cut`).
            seeds: N seeds, each 0 or more.
            psi: truncation in [-2, 2]; 1 = none, 0 = the mean of z for the prompt.
            psi_global: the same towards the mean of all prompts, for generators that have one; None = as the generator
                does it by itself.
            noise_mode: layer noise; `const` is reproducible.
            batch_size: images per forward pass.

        Returns:
            [N, 3, R, R] uint8 on the CPU.

        Raises:
            UsageError: for no or an empty prompt, a psi out of range, unequal counts, or a psi_global that means nothing
                to the generator.
        """
        how: dict[str, Any] = {"psi": psi, "psi_global": psi_global, "noise_mode": noise_mode}
        return torch.cat(list(self.stream(prompts, seeds, **how, batch_size=batch_size)))

    def stream(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        psi: float = 1.0,
        psi_global: float | None = None,
        noise_mode: NoiseMode = "const",
        batch_size: int = 64,
    ) -> Iterator[Tensor]:
        """As `generate`, a batch of uint8 images at a time, so that metrics never hold them all."""
        _check(prompts, seeds, psi)
        if psi_global is not None:
            _check_global(self.G, psi_global)
        how = {"psi": psi} | ({} if psi_global is None else {"psi_global": psi_global})
        for start in range(0, len(prompts), batch_size):
            cut = slice(start, start + batch_size)
            with torch.inference_mode():
                c = self.conditioner(prompts[cut])
                z = rng.latents(seeds[cut], self.G.z_dim).to(self.device)
                img = self.G(z, c, **how, noise_mode=noise_mode)
            yield images.to_uint8(img).cpu()

    def cut(self, prompt: str) -> str:
        """The end of a prompt that does not fit the text encoder, or an empty string."""
        return self.conditioner.cut(prompt)

    def then(self, upscaler: Upscaler) -> Chain:
        """A model that draws as this one does and enlarges its images; more upscalers may follow."""
        return Chain(self, (upscaler,))


def load(path: str | Path | None = None, *, device: str | torch.device = "cpu") -> TextToImage:
    """Read a model; None = the one inside the package."""
    return TextToImage.from_checkpoint(path, device=device)


def _read(name: str | Path, weights: Weights) -> tuple[Header, dict[str, Tensor]]:
    header = checkpoint.read_header(name)
    arch = header.recipe.get("generator", {}).get("arch", "")
    if header.kind == "upsampler" or checkpoint_kind(arch) == "upsampler":
        raise CheckpointError(
            f"{name}: an upsampler, which draws nothing from a prompt. It enlarges pictures: t2igan upscale IMG "
            f'--model {name}, or t2igan sample "..." --upscale {name}.'
        )
    if header.kind != "state" or header.recipe.get("task", "gan") != "gan":
        return checkpoint.read(name, kind="generator")
    header, tensors = checkpoint.read(name, kind="state")
    recipe = header.recipe
    config = {**recipe["generator"], "resolution": recipe["stages"][header.progress["stage"]]["resolution"]}
    conditioner = header.conditioner or recipe["conditioner"]  # its own where G's text encoder was trained
    tower = part(tensors, {"ema": "T_ema", "raw": "T"}[weights])
    return (
        Header("generator", config, conditioner, recipe, header.progress),
        {**tensors, **with_prefix("conditioner", tower)},
    )


def _check(prompts: Sequence[str], seeds: Sequence[int], psi: float) -> None:
    if not prompts:
        raise UsageError("there is no prompt to draw. Give at least one.")
    if len(prompts) != len(seeds):
        raise UsageError(f"{len(prompts)} prompts but {len(seeds)} seeds: give one seed for each prompt.")
    if any(not prompt.strip() for prompt in prompts):
        raise UsageError(
            "an empty prompt says nothing to draw. Give a sentence, as in: t2igan sample 'a red circle'."
        )
    if not PSI_RANGE[0] <= psi <= PSI_RANGE[1]:
        raise UsageError(
            f"psi {psi:g} is outside [-2, 2]; 1 is no truncation, 0.7 less variety, 0 the mean image."
        )
    if any(not 0 <= seed < 2**63 for seed in seeds):
        raise UsageError("a seed is a whole number from 0 to 2^63 - 1.")


def _check_global(generator: Any, psi: float) -> None:
    if not getattr(generator, "truncates_globally", False):
        raise UsageError(
            "psi-global means nothing to this model, whose truncation goes towards one mean. Leave it out, or use psi."
        )
    if not PSI_RANGE[0] <= psi <= PSI_RANGE[1]:
        raise UsageError(f"psi-global {psi:g} is outside [-2, 2]; 1 is no truncation.")
