"""Inert records of pickled modules -> names and tensors, as state_dict() would give them. It reads no tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from t2igan.convert.pickled import PickledArray, PickledTensor, Record
from t2igan.errors import CheckpointError

Pickled = PickledTensor | PickledArray
MAX_DEPTH = 64  # a module within a module within ...
MAX_PARTS = 100_000  # the largest networks have some thousands


def tensors_of(tree: Any) -> dict[str, Pickled]:
    """Find every tensor below dicts and modules.

    Args:
        tree: what safe_pickle.load gives; keys of dicts become parts of names, and a module's parts have their own.

    Returns:
        `G_ema.synthesis.b8.input.weight` -> its tensor, in the order of the file. Buffers that state_dict() would leave out
        are left out, and so is whatever is neither dict, module nor tensor.

    Raises:
        CheckpointError: if modules contain themselves, or are absurdly many.
    """
    found: dict[str, Pickled] = {}
    waiting, parts = [("", tree, 0)], 0
    while waiting:
        name, node, depth = waiting.pop()
        parts += 1
        if depth > MAX_DEPTH or parts > MAX_PARTS:
            raise CheckpointError(
                "its modules contain each other without end. No network is like that; do not trust the file."
            )
        if isinstance(node, Pickled):
            found[name] = node
        else:
            below = f"{name}." if name else ""
            waiting += [(below + key, child, depth + 1) for key, child in reversed(list(_children(node)))]
    return found


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        yield from _named(node)
    elif isinstance(node, Record) and isinstance(node.state, dict):
        state = node.state
        left_out = state.get("_non_persistent_buffers_set", ())
        left_out = left_out if isinstance(left_out, (set, frozenset)) else ()
        yield from _named(state.get("_parameters"))
        yield from ((key, child) for key, child in _named(state.get("_buffers")) if key not in left_out)
        yield from _named(state.get("_modules"))


def _named(table: Any) -> Iterator[tuple[str, Any]]:
    """What a dict holds that could be, or contain, tensors of a state dict."""
    if isinstance(table, dict):
        for key, child in table.items():
            if isinstance(key, str) and isinstance(child, (dict, Record, PickledTensor, PickledArray)):
                yield key, child
