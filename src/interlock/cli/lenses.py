"""lens: translations between versions of a contract, drafted, checked, explained and tried; offline."""

from __future__ import annotations

import click

from interlock.cli.lens_check import check
from interlock.cli.lens_data import audit, run
from interlock.cli.lens_eval import eval_
from interlock.cli.lens_explain import explain, list_, show_
from interlock.cli.lens_partitions import partitions
from interlock.cli.lens_promote import promote, promotions
from interlock.cli.lens_relay import relay
from interlock.cli.lens_rules import export, import_
from interlock.cli.lens_suggest import suggest


@click.group()
def lens() -> None:
    """Lenses: two-way translations between versions of a contract."""


for command in (list_, show_, check, explain, eval_, suggest, import_, export):
    lens.add_command(command)
lens.add_command(promote)
lens.add_command(promotions)
lens.add_command(audit)
lens.add_command(run)
lens.add_command(partitions)
lens.add_command(relay)
