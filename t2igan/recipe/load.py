"""A recipe's name or path, and `--set` overrides -> a checked Recipe. Torch-free; builds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from t2igan.decode import decode_yaml
from t2igan.errors import RecipeError, nearest
from t2igan.recipe.check import problems
from t2igan.recipe.schema import EncoderRecipe, GanRecipe, Recipe

SUFFIXES = (".yaml", ".yml")


def recipe_folder() -> Path:
    """Where the shipped recipes lie: inside an installed package, or beside it in a checkout."""
    package = Path(str(resources.files("t2igan")))
    installed = package / "_recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def list_recipes() -> list[str]:
    """Names of the shipped recipes, in alphabetical order; those of a series with their folder, as in series/name."""
    folder = recipe_folder()
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> GanRecipe | EncoderRecipe:
    """Read, decode and check a recipe.

    Args:
        name_or_path: the name of a shipped recipe, or the path of a YAML file.
        overrides: `a.b=value` assignments, applied before anything is checked.

    Raises:
        RecipeError: if it is unknown, unreadable, does not decode, or its sections contradict each other.
    """
    path = _find(name_or_path)
    recipe = decode_yaml(_read(path), Recipe, source=str(path), overrides=overrides)
    found = problems(recipe)
    if found:
        raise RecipeError("\n".join(f"{path}: {problem}" for problem in found))
    return recipe


def _find(name_or_path: str | Path) -> Path:
    name = str(name_or_path)
    if name in list_recipes():
        return _short(recipe_folder() / f"{name}.yaml")
    path = Path(name_or_path)
    if path.is_file():
        return path
    if path.is_dir():
        raise RecipeError(f"{path}: is a folder; name the recipe file in it.")
    if path.suffix in SUFFIXES or len(path.parts) > 1:
        beside = [str(other) for other in path.parent.glob("*.y*ml")]
        raise RecipeError(f"{path}: no such recipe file{nearest(str(path), beside)}")
    known = list_recipes()
    raise RecipeError(f"unknown recipe {name!r}{nearest(name, known)} (known: {', '.join(known)})")


def _short(path: Path) -> Path:
    """The path as a user would type it from the current folder, where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 text (byte {error.start}); save the file as UTF-8.") from error
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}).") from error
