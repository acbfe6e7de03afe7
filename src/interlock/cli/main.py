"""`interlock`: the root command and its groups."""

from __future__ import annotations

from pathlib import Path

import click

from interlock import __version__
from interlock.cli import audit, changes, checks, contracts, data, gates, lenses, migrations, rollouts, setup
from interlock.cli.output import fails_clearly


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option(
    "-C",
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The workspace directory (default: here).",
)
@click.option("--as", "person", metavar="PERSON", help="Who speaks, with the operator's token.")
@click.pass_context
def interlock(context: click.Context, workspace: Path, person: str | None) -> None:
    """Ship a model or schema change that touches many services as one controlled, reversible change.

    \b
    Exit codes: 0 done or yes, 1 the tool failed, 2 invalid input, 3 no, 4 undecided.
    """
    context.obj = {"workspace": workspace, "person": person}


for command in (
    setup.init,
    setup.up,
    setup.validate,
    setup.token,
    changes.change,
    changes.plan,
    changes.approve,
    changes.impact,
    contracts.contract,
    lenses.lens,
    data.data,
    migrations.migration,
    rollouts.rollout,
    rollouts.status,
    *rollouts.ORDERS,
    gates.gate,
    checks.check,
    audit.audit,
):
    interlock.add_command(command)


def main() -> None:
    """Entry point of the console script."""
    fails_clearly(interlock)
