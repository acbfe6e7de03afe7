"""init, up, validate, token: a workspace and its control plane."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from interlock.cli.api import Api
from interlock.cli.output import Exit, finish, output_option, show


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path())
@output_option
def init(directory: Path, output: str) -> None:
    """Write a small commented workspace, with JSON Schemas for your editor."""
    from interlock.adapters.workspace.template import write_template

    written = [str(path) for path in write_template(directory)]

    def text() -> None:
        for path in written:
            click.echo(f"wrote {path}")
        click.echo("\nDescribe your services there, then run `interlock up`.")

    show(output, {"written": written}, text)


@click.command()
@click.option("--api", envvar="INTERLOCK_API_ADDRESS", metavar="HOST:PORT", help="Where the control plane answers.")
@click.option("--edge", envvar="INTERLOCK_EDGE", metavar="HOST:PORT", help="Where outside callers come in.")
@click.option("--inner", envvar="INTERLOCK_INNER", metavar="HOST:PORT", help="Where services call one another.")
@click.option("--store", envvar="INTERLOCK_STORE", metavar="URL", help="SQLite (the default) or a Postgres URL.")
@click.option("--block-s", envvar="INTERLOCK_BLOCK_S", metavar="S", help="Length of a block of evidence (1).")
@click.option("--concurrency", envvar="INTERLOCK_CONCURRENCY", metavar="N", help="Worker threads of Envoy (2).")
@click.option("--keep-envoy", is_flag=True, help="Leave Envoy serving when this ends; the next start adopts it.")
@output_option
@click.pass_obj
def up(obj: dict[str, Any], /, keep_envoy: bool, output: str, **given: str | None) -> None:
    """Start the control plane and a supervised Envoy; runs until interrupted."""
    from interlock.adapters.workspace.loader import WorkspaceFiles
    from interlock.config import settings
    from interlock.wiring import ControlPlane

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, in order
    workspace = obj["workspace"].resolve()
    chosen = settings(workspace, asdict(WorkspaceFiles(workspace).addresses()), given)
    plane = ControlPlane(chosen, report=lambda line: click.echo(line, err=True))
    try:
        plane.prepare()
        ready = {
            name: f"http://{host}:{port}"
            for name, (host, port) in {"api": chosen.api, "edge": chosen.edge, "inner": chosen.inner}.items()
        }
        if output == "json":
            click.echo(json.dumps({"ready": ready}))
        else:
            click.echo(f"ready: edge {ready['edge']}/SERVICE/, inner {ready['inner']}/SERVICE/")
            click.echo(f"       control plane {ready['api']} (token in {chosen.state_dir / 'token'})")
        plane.serve()
    except KeyboardInterrupt:
        pass
    finally:
        plane.close(keep_proxy=keep_envoy)


@click.command()
@output_option
@click.pass_obj
def validate(obj: dict[str, Any], output: str) -> None:
    """Read the workspace and list every finding; needs no control plane."""
    from interlock.adapters.workspace.loader import WorkspaceFiles
    from interlock.kernel.digest import plain

    _, findings = WorkspaceFiles(obj["workspace"]).load()

    def text() -> None:
        for finding in findings:
            click.echo(str(finding))
        errors = sum(f.is_blocking for f in findings)
        click.echo(f"{errors} error{'' if errors == 1 else 's'}, {len(findings) - errors} other findings")

    show(output, {"findings": plain(findings), "is_valid": not any(f.is_blocking for f in findings)}, text)
    if any(f.is_blocking for f in findings):
        finish(Exit.INVALID)


@click.group()
def token() -> None:
    """Personal tokens, so that each approval is its person's own."""


@token.command("new")
@click.argument("person")
@output_option
@click.pass_obj
def token_new(obj: dict[str, Any], person: str, output: str) -> None:
    """Issue a token that speaks for PERSON alone; it is shown once."""
    issued = Api(**obj).post("/tokens", {"person": person})
    show(output, issued, lambda: click.echo(issued["token"]))
