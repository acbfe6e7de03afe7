"""How commands speak: text for people, JSON for machines, one table of exit codes."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from enum import IntEnum
from itertools import pairwise
from typing import Any, TypeVar

import click

from interlock.kernel.errors import InterlockError, Invalid, Unavailable

Command = TypeVar("Command", bound=Callable[..., Any])


class Exit(IntEnum):
    """What an exit code means, for every command."""

    DONE = 0
    FAILED = 1
    INVALID = 2
    NO = 3
    UNDECIDED = 4


class UsageInvalid(Invalid):
    """The command line is not understood."""

    code = "usage.invalid"


class PlaceUnusable(Unavailable):
    """The system refuses to read or write a file, or to take what is printed."""

    code = "place.unusable"


def output_option(command: Command) -> Command:
    """Add `--output text|json` as the parameter `output`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        help="Text for people (the default) or JSON for machines.",
    )(command)


def show(output: str, document: Any, text: Callable[[], None]) -> None:
    """Print `document` as JSON, or call `text` to print it for a person."""
    if output == "json":
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        text()


def finish(code: Exit) -> None:
    """End the process with `code`."""
    sys.exit(int(code))


def fails_clearly(command: click.Command) -> None:
    """Run `command` on the arguments of the process. What goes wrong becomes a message on stderr (JSON when asked
    for) and its exit code; usage errors look as click prints them, unless JSON is asked for.
    """
    try:
        command(standalone_mode=not _wants_json())
    except InterlockError as fault:
        _end(fault)
    except click.UsageError as fault:
        remedy = f"See `{fault.ctx.command_path} --help`." if fault.ctx else ""
        _end(UsageInvalid(fault.format_message(), remedy=remedy))
    except click.Abort:
        click.echo("Aborted!", err=True)
        finish(Exit.FAILED)
    except OSError as fault:
        says = f"{fault.filename}: {fault.strerror}" if fault.filename else str(fault.strerror or fault)
        _end(PlaceUnusable(says, remedy="Check the path, the right to use it, and the space left."))


def _end(fault: InterlockError) -> None:
    if _wants_json():
        body = {"error": fault.code, "message": fault.message, "remedy": fault.remedy, "where": fault.where}
        click.echo(json.dumps(body | _plain_details(fault), ensure_ascii=False), err=True)
    else:
        click.secho(f"error {fault.code}: ", fg="red", err=True, nl=False)
        click.echo(str(fault), err=True)
    sys.exit(fault.exit_code)


def _plain_details(fault: InterlockError) -> dict[str, Any]:
    from interlock.kernel.digest import plain

    return {k: plain(v) for k, v in fault.details.items()}


@functools.cache
def _wants_json() -> bool:
    given = sys.argv[1:]
    joined, apart = {"--output=json", "-ojson"}, {("--output", "json"), ("-o", "json")}
    return not (joined.isdisjoint(given) and apart.isdisjoint(pairwise(given)))
