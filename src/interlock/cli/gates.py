"""gate: receipts, and their replay without any control plane."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from interlock.cli.api import Api, Problem, part
from interlock.cli.output import Exit, finish, output_option, show


@click.group()
def gate() -> None:
    """Gates and the receipts of their verdicts."""


@gate.command("receipts")
@click.argument("rollout")
@output_option
@click.pass_obj
def gate_receipts(obj: dict[str, Any], rollout: str, output: str) -> None:
    """The receipts of ROLLOUT."""
    kept = Api(**obj).get(f"/rollouts/{part(rollout)}/receipts")
    show(output, kept, lambda: click.echo("\n".join(r["name"] for r in kept)))


@gate.command("receipt")
@click.argument("name")
@click.pass_obj
def gate_receipt(obj: dict[str, Any], name: str) -> None:
    """Print one receipt, byte for byte; redirect it into a file to keep it."""
    status, raw = Api(**obj).raw("GET", f"/receipts/{part(name)}")
    if status != 200:
        raise Problem(json.loads(raw))
    sys.stdout.buffer.write(raw)


@gate.command("replay")
@click.argument("receipt", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@output_option
def gate_replay(receipt: Path, output: str) -> None:
    """Recompute the verdict of a receipt (a file, or - for standard input) from its counts alone."""
    from interlock.domain.gates.receipt import replay

    raw = sys.stdin.buffer.read() if str(receipt) == "-" else receipt.read_bytes()
    again = replay(raw)
    is_same = again == raw
    document = {"is_same": is_same, "verdict": json.loads(again)["judgement"]["verdict"]}

    def text() -> None:
        says = "the same bytes" if is_same else "NOT the same bytes: the receipt was altered"
        click.echo(f"{says}; verdict: {document['verdict']}")

    show(output, document, text)
    if not is_same:
        finish(Exit.NO)
