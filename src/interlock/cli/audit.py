"""audit: what happened, and proof that nobody rewrote it."""

from __future__ import annotations

from typing import Any

import click

from interlock.cli.api import Api
from interlock.cli.output import Exit, finish, output_option, show


@click.group()
def audit() -> None:
    """The audit trail."""


@audit.command("verify")
@output_option
@click.pass_obj
def audit_verify(obj: dict[str, Any], output: str) -> None:
    """Recompute the hash chain; names every edited, removed or reordered entry."""
    view = Api(**obj).get("/audit/verification")

    def text() -> None:
        click.echo(f"{view['audit']}: {view['entries']} entries, head {view['head']}")
        for f in view["findings"]:
            click.echo(f"  {f['code']}: {f['says']}")

    show(output, view, text)
    if view["audit"] != "verified":
        finish(Exit.NO)


@audit.command("log")
@click.option("--after", default=0, help="Begin after this entry.")
@click.option("--limit", default=100, help="How many entries at most.")
@output_option
@click.pass_obj
def audit_log(obj: dict[str, Any], after: int, limit: int, output: str) -> None:
    """What happened, in order."""
    entries = Api(**obj).get(f"/audit?after={after}&limit={limit}")

    def text() -> None:
        for e in entries:
            click.echo(f"{e['seq']:>5} {e['at']} {e['actor']}: {e['kind']} {e['subject']} {e['because']}".rstrip())

    show(output, entries, text)
