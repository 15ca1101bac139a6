"""`t2igan recipe ...`: look at recipes. Arguments in, one library call each; trains nothing."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(help="List, show and check recipes.", no_args_is_help=True)

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key, e.g. train.batch=64; can be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the shipped recipes.

    Example: t2igan recipe list
    """
    from t2igan.recipe.load import list_recipes, load_recipe

    recipes = [load_recipe(name) for name in list_recipes()]
    rows = [{"name": r.name, "task": r.task, "description": r.description} for r in recipes]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        print(f"{row['name']:{width}}  {row['task']:7}  {row['description']}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A shipped recipe's name, or a YAML file.")],
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Print a recipe with every key. Defaults and --set are included; it loads back as the same recipe.

    Example: t2igan recipe show smoke --set train.batch=8
    """
    from t2igan.encode import to_json, to_yaml
    from t2igan.recipe.load import load_recipe

    recipe = load_recipe(name, sets or ())
    print(to_json(recipe) if as_json else to_yaml(recipe), end="\n" if as_json else "")


@app.command()
def check(
    names: Annotated[list[str], typer.Argument(metavar="RECIPE...", help="Names or YAML files.")],
    sets: Sets = None,
) -> None:
    """Look for mistakes without training. Says every mistake of every file.

    Example: t2igan recipe check my_run.yaml recipes/smoke.yaml
    """
    from t2igan.errors import RecipeError
    from t2igan.recipe.load import load_recipe

    problems = []
    for name in names:
        try:
            load_recipe(name, sets or ())
            print(f"{name}: ok")
        except RecipeError as error:
            problems.append(str(error))
    if problems:
        raise RecipeError("\n".join(problems))


@app.command()
def schema() -> None:
    """Print the JSON schema of recipes. With it, an editor completes and checks keys.

    Example: t2igan recipe schema > recipe.schema.json
    """
    from t2igan.recipe.docs import recipe_schema

    print(json.dumps(recipe_schema(), indent=1, ensure_ascii=False))
