"""lens promote: a lens goes from one environment to the next, checked and recorded there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from interlock.cli.api import Api
from interlock.cli.output import output_option, show


@click.command("promote")
@click.argument("lens", metavar="CONTRACT@OLDER..NEWER")
@click.option(
    "--from",
    "origin",
    required=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The workspace directory that it comes from.",
)
@click.option("--dry-run", is_flag=True, help="Check it here, write and record nothing.")
@output_option
@click.pass_obj
def promote(obj: dict[str, Any], lens: str, origin: Path, dry_run: bool, output: str) -> None:
    """Bring a lens with its contracts from another environment into this one."""
    from interlock.adapters.workspace.loader import WorkspaceFiles
    from interlock.engine.promotions import offer
    from interlock.kernel.digest import plain

    name, _, versions = lens.rpartition("@")
    older, dots, newer = versions.partition("..")
    if not (name and older and dots and newer):
        raise click.BadParameter(f"{lens!r} is not CONTRACT@OLDER..NEWER, for example order@1..2")
    offered = offer(WorkspaceFiles(origin), name, older, newer)
    path = "/promotions?dry_run=true" if dry_run else "/promotions"
    told = Api(**obj).post(path, plain(offered))

    def text() -> None:
        click.echo(f"{told['lens']} from {told['from']}: {told['digest']}")
        for file in told["written"]:
            click.echo(f"  {'would write' if dry_run else 'wrote'} {file}")
        for line in told["losses"]:
            click.echo(f"  {line['field']} ({line['direction']}, {line['effect']}): {line['says']}")
        for one in told["findings"]:
            click.echo(f"  {one['severity']} {one['code']}: {one['says']}")

    show(output, told, text)


@click.command("promotions")
@output_option
@click.pass_obj
def promotions(obj: dict[str, Any], output: str) -> None:
    """What was promoted into this environment, by whom and when."""
    found = Api(**obj).get("/promotions")

    def text() -> None:
        for one in found or [{"at": "-", "by": "-", "lens": "nothing was promoted", "from": "-"}]:
            click.echo(f"{one['at']} {one['by']}: {one['lens']} from {one['from']}")

    show(output, found, text)
