"""Name tables: a name stands for "module:attribute" and is imported at first use, so listing names costs nothing."""

from __future__ import annotations

import importlib
from typing import Any

from t2igan.errors import UsageError, nearest


class Registry:
    """A literal name table. `registry["name"]` imports and returns the attribute; a miss names the nearest name."""

    def __init__(self, kind: str, entries: dict[str, str]) -> None:
        self.kind = kind
        self._entries = entries

    def names(self) -> list[str]:
        """All names, in table order."""
        return list(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> Any:
        """Import and return what `name` stands for.

        Raises:
            UsageError: if the table has no such name.
        """
        if name not in self._entries:
            known = ", ".join(self._entries)
            raise UsageError(f"unknown {self.kind} {name!r}{nearest(name, self._entries)} Known: {known}.")
        module, _, attribute = self._entries[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
