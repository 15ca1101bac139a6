"""The recipe of the GAN, every number with its reason. Not the choice of numbers: policy.py."""

from __future__ import annotations

from t2igan.init_recipe.policy import Machine, Plan, Stage
from t2igan.init_recipe.table import LOOKS
from t2igan.init_recipe.text import Case, data_section, opening, quoted, time_lines

CLIP_DIM = 768  # of CLIP ViT-L/14's text embedding
SMALL_DIM = 128  # of the small CLIP's


def gan_text(case: Case) -> str:
    """The recipe of the GAN, as YAML."""
    plan, is_small = case.plan, case.machine.device == "cpu"
    networks = _small_networks(case) if is_small else _full_networks(plan, case.machine)
    return f"""\
{opening(case, case.out, time_lines(plan))}
# Source: StyleGAN-T{", small, as the recipe `emoji`" if is_small else ""}. What is not measured is called a guess.
task: gan
name: {quoted(case.name)}
description: {quoted(f"{plan.pictures:,} own captioned pictures at {plan.resolution} px; made by t2igan init.")}
{data_section(case)}
{networks}
{_training(plan, case.machine)}"""


def _small_networks(case: Case) -> str:
    """Text encoder, G and D where the small CLIP reads and looks."""
    plan, clip = case.plan, case.clip_checkpoint
    return f"""\
conditioner:
  kind: small_clip
  checkpoint: {quoted(clip)}    # of the recipe that is trained first
generator:
  arch: stylegan_t
  z_dim: 32
  c_dim: {SMALL_DIM}
  resolution: {plan.resolution}
{_channels(plan)}
  text_gain: 11.3    # sqrt(128): text and noise move the styles alike at the start
  rgb_gain: 0.3    # smaller first colours do not saturate
  conv_clamp: null    # no float16 on a CPU, so nothing to contain
discriminator:
  arch: projected
  backbone: {{kind: small_clip, checkpoint: {quoted(clip)}, taps: [0, 1, 3, 4]}}
  c_dim: {SMALL_DIM}
  head: maps
  text_gain: 11.3
  augment: translation,cutout    # DiffAugment, so that D does not learn few pictures by heart; colours are the captions'
loss:
  kind: projected_gan
  blur_init_sigma: 0
  blur_fade_kimg: 0
  mismatch_weight: 0.5    # right pictures with wrong captions count as fakes
  shared_fakes: true    # a quarter faster"""


def _full_networks(plan: Plan, machine: Machine) -> str:
    """Text encoder, G and D with CLIP and DINO, as in the paper."""
    first = plan.stages[0].resolution
    drop = "augmentation in feature space; a guess" if plan.size.feature_drop else "enough pictures"
    return f"""\
conditioner: {{kind: clip_text, model: ViT-L-14, pretrained: openai}}    # `t2igan doctor` says whether it is here
generator:
  arch: stylegan_t
  z_dim: 64
  c_dim: {CLIP_DIM}
  resolution: {plan.resolution}
{_channels(plan)}
  text_gain: 27.7    # sqrt(768): text and noise move the styles alike at the start; official is 1
  rgb_gain: 0.3    # smaller first colours do not saturate; official is 1
discriminator:
  arch: projected
  backbone: {{kind: dino, model: vit_small_patch16_224.dino}}
  c_dim: {CLIP_DIM}
  head: tokens
  text_gain: 27.7
  augment: color,translation,cutout    # DiffAugment, official; translation,cutout if colours come out wrong
  feature_drop: {plan.size.feature_drop:g}    # {drop}
loss:
  kind: projected_gan
  blur_init_sigma: {first // 8}    # pixels; a guess. Official: 32, over the first 1,000 kimg of a far longer run
  blur_fade_kimg: {min(200, plan.kimg / 10):g}    # a guess
  mismatch_weight: 0.5    # right pictures with wrong captions count as fakes; official is 0. Not measured with DINO
  shared_fakes: true    # one pass of G a step instead of two; a quarter faster on a CPU
  # CLIP guidance ties pictures closer to words (the paper: FID 26.8 -> 20.5) for one more ViT-L pass a step
{_guidance(machine)}"""


def _guidance(machine: Machine) -> str:
    if machine.has_guidance:
        return "  clip_weight: 0.4    # a guess; the paper's 0.2 is 1.6 here\n  guide: {model: ViT-L-14, pretrained: openai}"
    return (
        "  # and is left out for the memory it takes:\n  # clip_weight: 0.4\n"
        "  # guide: {model: ViT-L-14, pretrained: openai}"
    )


def _channels(plan: Plan) -> str:
    raised = ", raised for 32 channels at full size" if plan.channel_base > plan.size.channel_base else ""
    return f"""\
  # {plan.size.why}{raised}
  channel_base: {plan.channel_base}
  channel_max: {plan.size.channel_max}
  num_res_blocks: {plan.size.num_res_blocks}"""


def _training(plan: Plan, machine: Machine) -> str:
    looks = plan.kimg * 1000 / plan.pictures
    return f"""\
optim:
  G: {{learning_rate: 2.0e-3, betas: [0.0, 0.99]}}
  D: {{learning_rate: 2.0e-3, betas: [0.0, 0.99]}}
train:
  batch: {plan.size.batch}
  tick_kimg: 5
  sample_kimg: {plan.interval_kimg:g}    # two dozen sample grids and snapshots
  state_kimg: {min(plan.interval_kimg, 50):g}
  workers: {plan.workers}{_workers_reason(plan, machine)}
  seed: 0
stages:
  # {plan.resolution} px: {plan.why_resolution}
  # {1000 * plan.kimg:,.0f} images are {looks:,.0f} looks at each of {plan.pictures:,} pictures{_looks_reason(looks)}
{_stages(plan.stages)}
"""


def _stages(stages: tuple[Stage, ...]) -> str:
    """One line a stage."""
    lines = []
    for stage in stages:
        piece = "" if stage.batch_gpu is None else f", batch_gpu: {stage.batch_gpu}"
        lines.append(f"  - {{resolution: {stage.resolution}, kimg: {stage.kimg:g}{piece}}}")
    if stages[0].batch_gpu is not None:
        lines.append("  # batch_gpu is a guess from the memory: halve it, 8 at least, if memory runs out")
    return "\n".join(lines)


def _looks_reason(looks: float) -> str:
    if abs(looks - LOOKS) < 0.1 * LOOKS:
        return ""
    return f"; {LOOKS} are usual, but a GAN needs its steps" if looks > LOOKS else f"; {LOOKS} take too long"


def _workers_reason(plan: Plan, machine: Machine) -> str:
    if plan.is_cached:
        return "    # the cache is filled in the training process"
    return f"    # of {machine.cores} cores" if plan.workers else ""
