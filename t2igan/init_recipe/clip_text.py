"""The recipe of the small CLIP, which reads and looks for a GAN on a CPU. Not the choice of numbers: policy.py."""

from __future__ import annotations

from t2igan.init_recipe.findings import captions_line
from t2igan.init_recipe.gan_text import SMALL_DIM
from t2igan.init_recipe.table import TOKENS_PER_WORD
from t2igan.init_recipe.text import Case, data_section, on_one_line, opening, quoted


def clip_text(case: Case) -> str:
    """The recipe of the small CLIP, as YAML."""
    plan = case.plan
    looks = plan.clip_kimg * 1000 / plan.pictures
    few = "; there are few pictures" if plan.clip_batch < 256 else ""
    return f"""\
{opening(case, case.clip_out, [f"Train this first, then {on_one_line(str(case.out))}."])}
# Source: as the recipe `emoji_clip`, which knew 99.4 % of its 3,005 pictures' captions after 17 looks at each.
task: encoder
name: {quoted(case.clip_name)}
description: {quoted(f"Small CLIP of {plan.pictures:,} own captioned pictures; made by t2igan init.")}
{data_section(case)}
encoder:
  arch: small_clip
  image: {{image_size: {plan.resolution}, channels: [64, 96, 128], embed_dim: {SMALL_DIM}}}
  text:
    # {captions_line(case.found)};
    # a word takes about {TOKENS_PER_WORD} tokens, start and end take 2; longer captions are cut
    context_length: {plan.context_length}
    num_merges: 3000
    width: 128
    heads: 4
    layers: 3
    embed_dim: {SMALL_DIM}
loss: {{kind: clip_contrastive, max_logit_scale: 100}}
optim: {{learning_rate: 1.0e-3, betas: [0.9, 0.98], weight_decay: 0.1, schedule: cosine, warmup_kimg: 12}}
train:
  batch: {plan.clip_batch}    # captions that are told apart from each other{few}
  tick_kimg: 12.8
  sample_kimg: 1000
  state_kimg: 50
  seed: 0
kimg: {plan.clip_kimg:g}    # {looks:.0f} looks at each of {plan.pictures:,} pictures
"""
