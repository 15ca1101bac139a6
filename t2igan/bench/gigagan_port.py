"""The community's GigaGAN, gigagan-pytorch 0.3.0, as something to measure beside ours. No dependency: it may be missing."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import tempfile
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

PACKAGE, VERSION = "gigagan_pytorch", "0.3.0"
INSTALL = f"pip install gigagan-pytorch=={VERSION}"
PENALTY_EVERY = 4  # steps; the package's default
Z_DIM, SIDE = 256, 64
GENERATOR = {
    "image_size": SIDE,
    "dim_capacity": 16,
    "dim_max": 512,
    "dim_latent": 512,
    "style_network": {"dim": Z_DIM, "depth": 4},
    "unconditional": True,
}
DISCRIMINATOR = {"image_size": SIDE, "dim_capacity": 16, "dim_max": 512, "unconditional": True}


class Port:
    """Its networks and training steps in the configuration that is measured; nothing is written that stays."""

    def __init__(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints sizes
            package = importlib.import_module(PACKAGE)
            self._folder = tempfile.TemporaryDirectory()
            self.gan: Any = package.GigaGAN(
                generator=dict(GENERATOR),
                discriminator=dict(DISCRIMINATOR),
                amp=False,
                create_ema_generator_at_init=False,
                apply_gradient_penalty_every=PENALTY_EVERY,
                model_folder=self._folder.name,
                results_folder=self._folder.name,
            )
        self.networks: dict[str, torch.nn.Module] = {"G": self.gan.G, "D": self.gan.D}

    @torch.no_grad()
    def draw(self, z: Tensor) -> Tensor:
        """Latents [N, 256] -> images [N, 3, 64, 64]."""
        return self.gan.G(noise=z)

    def step(self, images: Tensor, *, has_penalty: bool) -> None:
        """One step of D and one of G on images [N, 3, 64, 64] in [0, 1], with its default losses."""
        batches = _again(images)
        self.gan.train_discriminator_step(
            dl_iter=batches,
            grad_accum_every=1,
            apply_gradient_penalty=has_penalty,
            calc_multiscale_loss=True,
        )
        self.gan.train_generator_step(
            batch_size=len(images), dl_iter=batches, grad_accum_every=1, calc_multiscale_loss=True
        )


def find_port() -> Port | None:
    """The port, or None where the package is not installed."""
    return None if importlib.util.find_spec(PACKAGE) is None else Port()


def _again(images: Tensor) -> Iterator[Tensor]:
    while True:
        yield images.clone()
