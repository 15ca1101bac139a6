"""What a recipe may say. Composes the packages' own config models; torch-free."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from t2igan.config import Config
from t2igan.data.config import DataConfig
from t2igan.losses.config import (
    AttributesConfig,
    ClipContrastiveConfig,
    GigaGANLossConfig,
    GigaGANUpsamplerLossConfig,
    ProjectedGANConfig,
)
from t2igan.metrics.config import MetricsConfig
from t2igan.models.config import DiscriminatorConfig, EncoderConfig, TrainedConfig
from t2igan.text.config import ClipTextConfig, ConditionerConfig


class AdamConfig(Config):
    """Adam (AdamW where weight_decay is not 0)."""

    learning_rate: float = Field(default=2e-3, gt=0)
    """Step size."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Decay of the running mean and of the running square."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the running square."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay, on tensors of two or more dimensions."""
    attention_weight_decay: float | None = Field(default=None, ge=0)
    """The same for attention layers; null = weight_decay."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Course of the learning rate over the stage: constant, or cosine down to 0."""
    warmup_kimg: float = Field(default=0.0, ge=0)
    """Thousands of images of linear warm-up."""


class OptimConfig(Config):
    """Optimisers of a GAN."""

    G: AdamConfig = Field(default_factory=AdamConfig)
    """Generator."""
    D: AdamConfig = Field(default_factory=AdamConfig)
    """Discriminator."""
    T: AdamConfig = Field(default_factory=lambda: AdamConfig(learning_rate=3e-6))
    """Text encoder, in stages that train it."""


class TrainConfig(Config):
    """How to train, whatever is trained."""

    batch: int = Field(default=64, ge=1)
    """Images a step, over all ranks; stages may override it."""
    batch_gpu: int | None = Field(default=None, ge=1)
    """Images per forward pass and rank; smaller than batch / ranks accumulates gradients. null = no accumulation."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Autocast precision; auto = bf16 where the machine multiplies it natively, else fp32."""
    compile: bool = False
    """Compile every phase with torch.compile; needs a C++ compiler on the machine."""
    shard_generator: bool = False
    """Split the generator, its average and Adam's state over the ranks (FSDP2), where one GPU cannot hold them."""
    seed: int = 0
    """Seed of initial weights, noise and data order."""
    ema_kimg: float | None = Field(default=None, ge=0)
    """Half-life of the averaged generator, in thousands of images; null = batch * 10 / 32, the official choice."""
    ema_rampup: float | None = Field(default=0.05, gt=0)
    """The half-life is at most this share of the images seen so far; null = no ramp."""
    tick_kimg: float = Field(default=4.0, gt=0)
    """Thousands of images between two progress lines."""
    sample_kimg: float = Field(default=20.0, gt=0)
    """Thousands of images between two sample grids."""
    state_kimg: float = Field(default=20.0, gt=0)
    """Thousands of images between two checkpoints to resume from."""
    keep_states: int = Field(default=2, ge=1)
    """Checkpoints to resume from that are kept."""
    keep_snapshots: int | None = Field(default=None, ge=1)
    """Snapshots to share that are kept, newest first, beside milestones and the best; null = all."""
    milestone_kimg: float | None = Field(default=None, gt=0)
    """A checkpoint and a snapshot are kept for good every this many thousand images; null = none."""
    on_bad_steps: Literal["skip", "rollback", "stop"] = "skip"
    """Non-finite gradients: the step is always skipped and counted. `skip` stops after max_bad_steps in a row, `rollback`
    then goes back to the last checkpoint's weights, with new data and noise, and `stop` ends the run at the first."""
    max_bad_steps: int = Field(default=20, ge=1)
    """Steps in a row with non-finite gradients before `skip` stops or `rollback` goes back."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; null = all free cores."""
    workers: int = Field(default=0, ge=0)
    """Processes that load data; 0 = load in the training process."""
    loggers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Where numbers and pictures go beside stats.jsonl; each is an extra to install."""

    @model_validator(mode="after")
    def _compiled_or_split(self) -> TrainConfig:
        if self.compile and self.shard_generator:
            raise ValueError(
                "compile cannot trace a generator that shard_generator splits; choose one of them"
            )
        return self


class StageConfig(Config):
    """One resolution of progressive training."""

    resolution: int = Field(ge=8)
    """Image size in pixels."""
    kimg: float = Field(gt=0)
    """Thousands of images of this stage."""
    batch: int | None = Field(default=None, ge=1)
    """Images a step in this stage; null = train.batch."""
    batch_gpu: int | None = Field(default=None, ge=1)
    """Images per forward pass and rank in this stage; null = train.batch_gpu."""
    trains: Literal["all", "text_encoder"] = "all"
    """`all`: the generator. `text_encoder`: a copy of the conditioner's text tower that only G reads, while G's own
    weights stand still; D and the guidance keep the original."""
    freeze_up_to: int | None = Field(default=None, ge=8)
    """Blocks up to this many pixels keep their weights, but for their toRGB; null = all blocks train. Official: 64 with
    train mode freeze64."""
    clip_weight: float | None = Field(default=None, ge=0)
    """Weight of the CLIP guidance in this stage; null = loss.clip_weight."""
    r1_gamma: float | None = Field(default=None, ge=0)
    """Weight of R1 in this stage, for losses that have one; null = loss.r1_gamma."""


class SampleConfig(Config):
    """The pictures that a run draws of itself."""

    prompts: tuple[str, ...] = ()
    """Fixed prompts of the sample grids; empty = captions of the first training images."""
    num_images: int = Field(default=32, ge=1)
    """Tiles of a grid."""
    psi: float = Field(default=1.0, ge=-2, le=2)
    """Truncation of the grids."""


GanLoss = Annotated[
    ProjectedGANConfig | GigaGANLossConfig | GigaGANUpsamplerLossConfig, Field(discriminator="kind")
]


class GanRecipe(Config):
    """A complete run of a text-to-image GAN."""

    task: Literal["gan"] = "gan"
    """What is trained."""
    name: str
    """Name of the run; its folder is runs/NAME unless --out says otherwise."""
    description: str = ""
    """One sentence for `t2igan recipe list`."""
    data: DataConfig
    """Training images and captions."""
    conditioner: ConditionerConfig = Field(default_factory=ClipTextConfig)
    """Text encoder."""
    generator: TrainedConfig
    """Generator, or an upsampler, which is trained on images that it has made small."""
    discriminator: DiscriminatorConfig
    """Discriminator."""
    loss: GanLoss = Field(default_factory=ProjectedGANConfig)
    """Loss."""
    optim: OptimConfig = Field(default_factory=OptimConfig)
    """Optimisers."""
    train: TrainConfig = Field(default_factory=TrainConfig)
    """Batch, precision, schedule of snapshots."""
    stages: tuple[StageConfig, ...] = Field(min_length=1)
    """Resolutions, in order."""
    stage_start: Literal["average", "all"] = "average"
    """What a stage takes over: `average` (official) starts G and its average from the average, and Adam anew; `all` goes
    on with G, its average and Adam's moments as they are."""
    init: str | None = None
    """Checkpoint whose weights a new run starts from: a generator, or a run's state, which gives D's too."""
    samples: SampleConfig = Field(default_factory=SampleConfig)
    """Sample grids."""
    metrics: MetricsConfig | None = None
    """What to measure during training; null = nothing."""


EncoderLoss = Annotated[ClipContrastiveConfig | AttributesConfig, Field(discriminator="kind")]


class EncoderRecipe(Config):
    """A complete run of a supervised network: a small CLIP, or the judge."""

    task: Literal["encoder"] = "encoder"
    """What is trained."""
    name: str
    """Name of the run; its folder is runs/NAME unless --out says otherwise."""
    description: str = ""
    """One sentence for `t2igan recipe list`."""
    data: DataConfig
    """Training images, with captions or attributes."""
    encoder: EncoderConfig
    """The network."""
    loss: EncoderLoss
    """Loss."""
    optim: AdamConfig = Field(default_factory=AdamConfig)
    """Optimiser."""
    train: TrainConfig = Field(default_factory=TrainConfig)
    """Batch, precision, schedule of snapshots."""
    kimg: float = Field(gt=0)
    """Thousands of images to train on."""

    @model_validator(mode="after")
    def _contrast_needs_the_whole_batch(self) -> EncoderRecipe:
        if self.loss.kind == "clip_contrastive" and self.train.batch_gpu not in (None, self.train.batch):
            raise ValueError("clip_contrastive compares all captions of a batch: leave train.batch_gpu out")
        return self


def _task(value: Any) -> str:
    return value.get("task", "gan") if isinstance(value, dict) else getattr(value, "task", "gan")


Recipe = Annotated[
    Annotated[GanRecipe, Tag("gan")] | Annotated[EncoderRecipe, Tag("encoder")], Discriminator(_task)
]
