"""Tokens beside the pooled embedding: the last layer but one, behind the final norm, up to the end token."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from t2igan import weights
from t2igan.text import build_conditioner
from t2igan.text.clip import ClipText
from t2igan.text.config import ClipTextConfig, HashingConfig, SmallClipTextConfig

OPEN_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 3},
}
CAPTIONS = ["a red circle", "a blue square on a white background", ""]


def test_open_clips_tokens_are_those_before_its_last_block(tmp_path: Path):
    path = tmp_path / "tests-text.json"
    path.write_text(json.dumps(OPEN_CLIP))
    torch.manual_seed(0)
    c = ClipText(ClipTextConfig(model=str(path), pretrained=None, tokens=True), {})(CAPTIONS)
    torch.manual_seed(0)
    model = weights.open_clip_model(str(path)).eval()
    ids = weights.open_clip_tokenizer(str(path))(CAPTIONS)
    x = model.token_embedding(ids) + model.positional_embedding
    for block in model.transformer.resblocks[:-1]:
        x = block(x, attn_mask=model.attn_mask)
    assert c.tokens is not None
    assert c.mask is not None
    torch.testing.assert_close(c.tokens, model.ln_final(x).detach())
    assert c.tokens.shape == (3, 12, 16)  # the whole context, whatever the captions
    end = ids.argmax(dim=1)
    assert c.mask.sum(dim=1).tolist() == (end + 1).tolist()
    assert c.mask.gather(1, end[:, None]).all()


def test_tokens_of_the_last_layer_are_those_that_the_embedding_is_made_of(tmp_path: Path):
    path = tmp_path / "tests-text.json"
    path.write_text(json.dumps(OPEN_CLIP))
    torch.manual_seed(0)
    config = ClipTextConfig(model=str(path), pretrained=None, tokens=True, token_layer="last")
    c = ClipText(config, {})(CAPTIONS)
    torch.manual_seed(0)
    model = weights.open_clip_model(str(path)).eval()
    end = weights.open_clip_tokenizer(str(path))(CAPTIONS).argmax(dim=1)
    assert c.tokens is not None
    assert c.embed is not None
    pooled = c.tokens[torch.arange(3), end] @ model.text_projection
    torch.testing.assert_close(torch.nn.functional.normalize(pooled, dim=1).detach(), c.embed)


def test_the_embedding_is_the_same_with_and_without_tokens():
    with_tokens, without = (
        build_conditioner(SmallClipTextConfig(tokens=tokens))(CAPTIONS) for tokens in (True, False)
    )
    assert with_tokens.embed is not None
    assert without.embed is not None
    assert torch.equal(with_tokens.embed, without.embed)
    assert without.tokens is None


def test_a_hashed_word_is_its_own_token_and_the_end_token_follows_the_last_word():
    c = build_conditioner(HashingConfig(dim=8, tokens=True))(["red circle", "circle red blue"])
    assert c.tokens is not None
    assert c.mask is not None
    assert c.mask.sum(dim=1).tolist() == [3, 4]
    assert torch.equal(c.tokens[0, 1], c.tokens[1, 0])
    assert torch.equal(c.tokens[0, 2], c.tokens[1, 3])
