"""The command reference: `python -m t2igan.cli.reference` writes docs/commands.md. Not a place for prose.

It reads the annotated functions, not the printed help, whose form changes from one Typer to the next.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, ParameterInfo

import t2igan
from t2igan.cli.app import _Commands, options

_INTRO = """# Command reference

Made by `python -m t2igan.cli.reference` from the commands themselves; edit their functions, not this page.

`--help` after a command prints the same. Results go to stdout, progress and warnings to stderr. Exit codes: 0 done;
1 error; 2 usage or recipe; 3 restart wanted (after SIGUSR1); 4 data; 5 training stopped by numbers that are not finite;
130 interrupted, once the run was saved.
"""
_WORDS = {int: "integer", float: "number", str: "text", Path: "path", bool: "flag"}


class Command(NamedTuple):
    """One command line's head, and the function behind it."""

    words: str  # such as "data import"
    function: Callable[..., Any]


def commands() -> Iterator[Command]:
    """Every command, in the order of the help."""
    for name, (target, _) in _Commands.table.items():
        module, _, attribute = target.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if isinstance(found, typer.Typer):
            yield from _group(name, found)
        else:
            yield Command(name, found)


def _group(words: str, group: typer.Typer) -> Iterator[Command]:
    for registered in group.registered_commands:
        assert registered.callback is not None
        word = registered.name or registered.callback.__name__.replace("_", "-")
        yield Command(f"{words} {word}", registered.callback)
    for nested in group.registered_groups:
        assert nested.typer_instance is not None
        yield from _group(f"{words} {nested.name}", nested.typer_instance)


def reference() -> str:
    """The text of docs/commands.md."""
    return "\n".join([_INTRO, _section(Command("", options)), *map(_section, commands())])


def _section(command: Command) -> str:
    hints = get_type_hints(command.function, include_extras=True)
    parameters = inspect.signature(command.function).parameters.values()
    rows = [_row(p, hints[p.name]) for p in parameters if get_origin(hints[p.name]) is Annotated]
    lines = [f"## t2igan {command.words}".rstrip(), "", _prose(inspect.getdoc(command.function) or ""), ""]
    table = ["| argument | value | default | meaning |", "| --- | --- | --- | --- |"] if rows else []
    return "\n".join([*lines, *table, *rows, *[""] * bool(rows)])


def _prose(text: str) -> str:
    """A docstring, with its examples as code."""
    marked = [
        f"Example: `{p.removeprefix('Example: ')}`" if p.startswith("Example: ") else p
        for p in text.split("\n\n")
    ]
    return "\n\n".join(marked)


def _row(parameter: inspect.Parameter, hint: Any) -> str:
    kind, info = get_args(hint)[:2]
    if isinstance(info, ArgumentInfo):
        name = f"`{info.metavar or parameter.name.upper()}`"
    else:
        name = ", ".join(f"`{word}`" for word in _spellings(parameter, info, kind))
    cells = [name, _type(kind), _default(parameter, kind), info.help or ""]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _spellings(parameter: inspect.Parameter, info: ParameterInfo, kind: Any) -> tuple[str, ...]:
    """As declared, or as Typer makes them from the parameter's name."""
    # inside Annotated, Typer keeps the first declaration where a default would stand
    declared = tuple(word for word in (info.default, *(info.param_decls or ())) if isinstance(word, str))
    word = parameter.name.replace("_", "-")
    return declared or ((f"--{word}", f"--no-{word}") if kind is bool else (f"--{word}",))


def _type(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_type(part) for part in parts if part is not NoneType)
    return f"{_type(parts[0])}, may be repeated" if origin is list else _WORDS[kind]


def _default(parameter: inspect.Parameter, kind: Any) -> str:
    value = parameter.default
    if value is inspect.Parameter.empty:
        return "required"
    if kind is bool:
        return "on" if value else ""
    return "" if value is None else f"`{value}`"


if __name__ == "__main__":
    path = Path(t2igan.__file__).parent.parent / "docs" / "commands.md"
    path.write_text(reference(), encoding="utf-8")
