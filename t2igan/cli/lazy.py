"""A Typer group whose commands are a literal table and are imported at use, so that help costs no heavy import.

Not tied to one Typer release: it touches only what `typer` and `typer.core` export, as newer ones carry their own click.
"""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from t2igan.errors import nearest


class LazyGroup(TyperGroup):
    """Subclass it with a `table`: command name -> ("module:attribute", one line of help).

    The attribute is a Typer app (a group of commands), or a plain annotated function (one command).
    """

    table: ClassVar[dict[str, tuple[str, str]]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in table order."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and wrap the command; None if the table has no such name."""
        if cmd_name not in self.table:
            return None
        target, _ = self.table[cmd_name]
        return load_command(cmd_name, target)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands from the table, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the arguments start with, or fail with the nearest name."""
        if args[0] not in self.table and not ctx.resilient_parsing:
            ctx.fail(f"no such command {args[0]!r}{nearest(args[0], self.table)}")
        return super().resolve_command(ctx, args)


def load_command(name: str, target: str) -> Any:
    """Import "module:attribute" and make it a click command or group."""
    module, _, attribute = target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None  # rich help costs 0.1 s
        group = typer.main.get_group(found)
        group.name = name
        return group
    single = typer.Typer(rich_markup_mode=None, add_completion=False)
    single.command(name=name)(found)
    return typer.main.get_command(single)
