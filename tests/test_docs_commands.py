"""What README.md and docs/*.md quote exists: commands, options, recipes, embedded weights, files and headings.

Mend docs/commands.md with `python -m t2igan.cli.reference`. A command in a code block must be complete; one inside a
sentence may leave arguments out.
"""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from t2igan.checkpoint import locate
from t2igan.cli.app import app
from t2igan.cli.reference import commands, reference
from t2igan.recipe.load import list_recipes, load_recipe

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(t2igan [^`]+)`")
STARTS = re.compile(r"^(?:\w+=\S+ +)*(?:t2igan|(?:torchrun|python\b).* -m t2igan) +(.*)")  # behind NAME=VALUE
SHELL = {"|", ">", ">>", "<", "&&", "||", ";", "&", "2>&1"}
LINK = re.compile(r"\]\(([^()\s]+)\)")


class Quoted(NamedTuple):
    """A command line of a page."""

    page: str
    line: str  # without its first word
    is_whole: bool


def quoted(page: Path) -> list[Quoted]:
    """Every t2igan command of a page: lines of code blocks, and code inside sentences."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(FENCE.findall(text)).replace("\\\n", " ")
    found = [Quoted(page.name, line, True) for line in command_lines(blocks)]
    spans = " \n".join(FENCE.sub("", text).split("\n"))
    return found + [
        Quoted(page.name, line, False) for line in command_lines("\n".join(INLINE.findall(spans)))
    ]


def command_lines(text: str) -> list[str]:
    """What follows `t2igan` on each line that begins with it."""
    pieces = [piece for line in text.splitlines() for piece in line.split("&&")]
    return [match[1] for piece in pieces if (match := STARTS.match(piece.strip().removeprefix("$ ")))]


def words(line: str) -> list[str]:
    """The words of a command line up to the first pipe or redirection."""
    split = shlex.split(line, comments=True)
    return split[: next((i for i, word in enumerate(split) if word in SHELL), len(split))]


def parse(line: str, *, is_whole: bool) -> None:
    """Parse as the shell would start it, but run nothing; a wrong command, option or value raises."""
    command: Any = typer.main.get_command(app)
    rest, parent = words(line), None
    while hasattr(command, "table") or hasattr(command, "commands"):
        context = command.make_context(
            command.name or "t2igan", list(rest), parent=parent, resilient_parsing=True
        )
        if rest and rest[0].startswith("-") and parent is None:  # t2igan --version, t2igan --debug COMMAND
            command.make_parser(context).parse_args(list(rest))
            rest = rest[1:]
        if not rest:
            return
        found = command.get_command(context, rest[0])
        assert found is not None, f"no such command: {rest[0]}"
        command, parent, rest = found, context, rest[1:]
    if rest == ["--help"]:
        return
    if is_whole:
        command.make_context(command.name, list(rest), parent=parent)
    else:
        command.make_parser(typer.Context(command)).parse_args([word for word in rest if word != "..."])


LINES = [one for page in PAGES for one in quoted(page)]


@pytest.mark.parametrize("one", LINES, ids=lambda one: f"{one.page}: {one.line}"[:90])
def test_a_quoted_command_parses(one: Quoted):
    parse(one.line, is_whole=one.is_whole)


@pytest.mark.parametrize(
    "line", ["trian", "train --recpie smoke", "sample --psi high a", "data import pictures"]
)
def test_a_wrong_command_does_not_parse(line: str):
    with pytest.raises(Exception, match=r"(?i)no such|valid|missing"):
        parse(line, is_whole=True)


def test_a_quoted_recipe_is_shipped_and_has_the_keys_that_are_set():
    for one in LINES:
        split = words(one.line)
        following = list(pairwise(split))
        names = [value for word, value in following if word in ("--recipe", "-r")]
        sets = [value for word, value in following if word == "--set" and "..." not in value]
        for name in names:
            if name.isupper() or name.endswith(".yaml"):  # a placeholder, or the reader's own file
                continue
            assert name in list_recipes(), f"{one.page}: {one.line}"
            load_recipe(name, [text for text in sets if not text.isupper()])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quoted_embedded_weights_are_in_the_package(page: Path):
    for name in re.findall(r"embedded:[a-z][a-z0-9_]*", page.read_text(encoding="utf-8")):
        locate(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path):
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"\w+:", target):
            continue
        name, _, heading = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), f"{page.name}: {target}"
        if heading and path.suffix == ".md":
            assert heading in headings(path), f"{page.name}: {target}"


def headings(page: Path) -> set[str]:
    """The anchors of a page: headings in small letters, without punctuation, hyphens for spaces."""
    titles = re.findall(r"^#+ (.*)", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_command_reference_is_what_the_commands_say():
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == reference()


def test_every_command_of_the_reference_parses_its_own_help():
    for command in commands():
        parse(f"{command.words} --help", is_whole=True)
