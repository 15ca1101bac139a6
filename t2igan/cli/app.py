"""The `t2igan` command: the table of sub-commands, and how errors are printed. Does no work itself.

Exit codes: 0 done; 1 error; 2 usage or recipe; 3 restart wanted (after SIGUSR1); 4 data; 5 training stopped by numbers
that are not finite; 130 interrupted, once the run was saved.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, ClassVar, cast

import typer

from t2igan import __version__
from t2igan.cli.lazy import LazyGroup
from t2igan.errors import T2IGanError

DEBUG = "T2IGAN_DEBUG"
USAGE = 2
INTERRUPTED = 130
# The common base of what Typer raises for wrong arguments; it is click's own or Typer's copy, by Typer's version.
_WRONG_ARGUMENTS = cast("type[Exception]", typer.BadParameter.__mro__[2])
_OS_ADVICE = {
    errno.ENOSPC: "free some space, or write to another disk",
    errno.EDQUOT: "your quota is used up; free some space, or write to another disk",
    errno.EACCES: "choose a place that you may read and write",
    errno.EPERM: "choose a place that you may read and write",
    errno.EROFS: "this disk is read-only; choose another place",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.ENAMETOOLONG: "choose a shorter name",
}


class _Commands(LazyGroup):
    table: ClassVar[dict[str, tuple[str, str]]] = {
        "demo": ("t2igan.cli.demo:command", "See it all: data, training, pictures, scores, a report."),
        "init": ("t2igan.cli.init:command", "Look into your own data, and write a recipe for it."),
        "train": ("t2igan.cli.train:command", "Train a recipe, or go on with its run."),
        "status": ("t2igan.cli.status:command", "Say how runs stand."),
        "plot": ("t2igan.cli.plot:command", "Draw the curves of a run."),
        "compare": ("t2igan.cli.compare:command", "Lay runs side by side."),
        "sample": ("t2igan.cli.sample:command", "Draw images from prompts."),
        "upscale": ("t2igan.cli.upscale:command", "Enlarge pictures."),
        "eval": ("t2igan.cli.evaluate:app", "Measure how good a model's images are."),
        "data": ("t2igan.cli.data:app", "Make and import training data."),
        "recipe": ("t2igan.cli.recipe:app", "List, show and check recipes."),
        "model": ("t2igan.cli.model:app", "Look into, export and convert checkpoints."),
        "bench": ("t2igan.cli.bench:app", "Measure speed and memory."),
        "doctor": ("t2igan.cli.doctor:command", "Say what this machine can run, and what is missing."),
    }


app = typer.Typer(cls=_Commands, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def options(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show tracebacks, as T2IGAN_DEBUG=1 does; goes before the command."),
    ] = False,
) -> None:
    """Train, run and judge text-to-image GANs."""
    if debug:
        os.environ[DEBUG] = "1"  # the environment, so that worker processes know as well
    if version:
        typer.echo(f"t2igan {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        args: words after `t2igan`; None = the process's own.

    Returns:
        The exit code; what went wrong has been printed to stderr.
    """
    try:
        code = typer.main.get_command(app).main(args, prog_name="t2igan", standalone_mode=False)
        sys.stdout.flush()  # here, where a closed pipe can still be caught
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except T2IGanError as error:
        return _report(error, str(error), error.exit_code)
    except _WRONG_ARGUMENTS as error:
        return _report_usage(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # silences the flush at exit
        return 1
    except OSError as error:
        if error.errno not in _OS_ADVICE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        return _report(error, f"{where}{error.strerror}; {_OS_ADVICE[error.errno]}.", 1)
    return code if isinstance(code, int) else 0


def _report(error: Exception, text: str, code: int) -> int:
    if os.environ.get(DEBUG, "0") not in ("", "0"):
        traceback.print_exception(error)
    first, *more = text.splitlines() or [type(error).__name__]
    print(f"error: {first}", *more, sep="\n       ", file=sys.stderr)
    return code


def _report_usage(error: Exception) -> int:
    text = getattr(error, "format_message", error.__str__)()
    if text.lstrip().startswith("Usage:"):  # a group without a sub-command: its message is its help
        print(text, file=sys.stderr)
        return USAGE
    close = getattr(error, "possibilities", None)
    _report(error, f"{getattr(error, 'message', text)}; did you mean {close[0]!r}?" if close else text, USAGE)
    context = getattr(error, "ctx", None)
    if context is not None:
        print(f"Try '{context.command_path} --help'.", file=sys.stderr)
    return getattr(error, "exit_code", USAGE)
