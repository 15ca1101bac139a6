"""The GigaGAN generator: the public steps z -> ws -> styles -> image. Not: the frozen text encoder, which is the conditioner's."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from t2igan.models.gigagan.config import GigaGANConfig
from t2igan.models.gigagan.mapping import Mapping
from t2igan.models.gigagan.synthesis import Styles, Synthesis
from t2igan.models.gigagan.text import Text, TextLayers
from t2igan.types import Condition, NoiseMode


class Generator(nn.Module):
    """GigaGAN (Kang et al. 2023), text to image.

    Attributes:
        z_dim, c_dim, w_dim, num_ws, img_resolution, img_channels: sizes, see t2igan.types.
        truncation: psi acts in w, towards the prompt's mean and the mean of all prompts.
    """

    truncation: Literal["w", "z"] = "w"
    truncates_globally = True

    def __init__(self, config: GigaGANConfig) -> None:
        super().__init__()
        self.config = config
        self.z_dim, self.c_dim, self.w_dim = config.z_dim, config.c_dim, config.w_dim
        self.img_resolution, self.img_channels = config.resolution, 3
        self.text = TextLayers(config.text, config.c_dim)
        self.network = Synthesis(config)
        self.num_ws = self.network.num_ws
        self.map_network = Mapping(config, self.num_ws)

    def mapping(
        self, z: Tensor, c: Condition | Text, *, psi: float = 1.0, psi_global: float | None = None
    ) -> Tensor:
        """[N, z_dim] and the prompt -> ws [N, num_ws, w_dim].

        Args:
            z: latents.
            c: a Condition with text tokens, or what the text layers made of one.
            psi: truncation towards the prompt's own mean; 1 = none, 0 = that mean.
            psi_global: truncation towards the mean of all prompts, which comes first; None = as `psi`.
        """
        return self.map_network(z, self.text(c), psi=psi, psi_global=psi_global)

    def styles(self, ws: Tensor) -> Styles:
        """[N, num_ws, w_dim] -> style name -> [N, channels], in layer order; `.kernels` are selection logits."""
        return self.network.styles(ws)

    def synthesis(self, styles: Styles, c: Condition | Text, *, noise_mode: NoiseMode = "const") -> Tensor:
        """[N, 3, R, R] float32 from style codes and the prompt, which cross-attention reads."""
        return self.pyramid(styles, c, noise_mode=noise_mode)[0]

    def pyramid(
        self, styles: Styles, c: Condition | Text, *, noise_mode: NoiseMode = "const"
    ) -> list[Tensor]:
        """As `synthesis`, at every resolution: [N, 3, r, r] of r = R, ..., 8, 4."""
        return self.network.pyramid(styles, self.text(c), noise_mode=noise_mode)

    def trainable_names(self, freeze_up_to: int | None = None) -> list[str]:
        """Names of the parameters that train while resolutions up to `freeze_up_to` pixels keep theirs, but for toRGB."""
        names = [name for name, _ in self.named_parameters()]
        if freeze_up_to is None:
            return names
        blocks = tuple(f"network.b{r}." for r in self.config.resolutions if r > freeze_up_to)
        return [name for name in names if name.startswith(blocks) or ".torgb." in name]

    def shard_units(self) -> list[list[nn.Module]]:
        """Modules whose weights are gathered together, see t2igan.sharding; each is called as a whole."""
        affines: list[list[nn.Module]] = [
            [affine for _, affine in block.style_layers()] for _, block in self.network.blocks()
        ]
        return [
            [self.text],
            [self.map_network.mlp],
            *affines,
            *([block] for _, block in self.network.blocks()),
        ]

    def forward(
        self,
        z: Tensor,
        c: Condition,
        *,
        psi: float = 1.0,
        psi_global: float | None = None,
        noise_mode: NoiseMode = "const",
    ) -> Tensor:
        """Generate [N, 3, R, R] float32 images, about [-1, 1], from latents [N, z_dim] and a Condition of N rows."""
        text = self.text(c)
        ws = self.mapping(z, text, psi=psi, psi_global=psi_global)
        return self.synthesis(self.styles(ws), text, noise_mode=noise_mode)
