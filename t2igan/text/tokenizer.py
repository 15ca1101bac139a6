"""open_clip's BPE tokenizer cut to its first merges: any text, offline, with a vocabulary a small tower can afford.

Not a new tokenizer: merges and byte alphabet are open_clip's own (its vocabulary file ships in its wheel).
With 3,000 of the 48,894 merges the embedding table shrinks from 6.3M to 0.45M numbers at width 128.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from t2igan.errors import WeightsError

NUM_BASE = 514  # 256 bytes, 256 bytes that end a word, start and end of text


class CutTokenizer:
    """Captions -> token ids [N, context_length], with start and end tokens, zero padded."""

    def __init__(self, *, num_merges: int, context_length: int) -> None:
        try:
            from open_clip.tokenizer import SimpleTokenizer
        except (ImportError, RuntimeError) as error:  # a torchvision of another build fails with RuntimeError
            raise WeightsError(
                f"open_clip cannot be imported ({error}). Install a torchvision that matches torch: "
                "`pip install --upgrade torch torchvision open_clip_torch`."
            ) from error
        self.context_length = context_length
        full = SimpleTokenizer()
        ranks = dict(sorted(full.bpe_ranks.items(), key=lambda item: item[1])[:num_merges])
        words = (
            list(full.encoder)[:512]
            + ["".join(pair) for pair in ranks]
            + ["<start_of_text>", "<end_of_text>"]
        )
        full.bpe_ranks, full.encoder = ranks, {word: i for i, word in enumerate(words)}
        full.decoder = dict(enumerate(words))
        full.cache = {token: token for token in ("<start_of_text>", "<end_of_text>")}
        self._bpe = full
        self.vocab_size = len(words)

    def ids(self, caption: str) -> list[int]:
        """All ids of a caption, uncut, without start and end."""
        return self._bpe.encode(caption)

    def __call__(self, captions: Sequence[str]) -> Tensor:
        """[N, context_length] int64; captions that do not fit are cut, the end token stays."""
        rows = torch.zeros(len(captions), self.context_length, dtype=torch.int64)
        start, end = self.vocab_size - 2, self.vocab_size - 1
        for row, caption in zip(rows, captions, strict=True):
            ids = [start, *self.ids(caption)[: self.context_length - 2], end]
            row[: len(ids)] = torch.tensor(ids)
        return rows

    def cut(self, caption: str) -> str:
        """The end of `caption` that does not fit, or an empty string."""
        return self._bpe.decode(self.ids(caption)[self.context_length - 2 :]).strip()
