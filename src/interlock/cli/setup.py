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

_FILE = click.Path(path_type=Path, dir_okay=False)


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
@click.option(
    "--block-s",
    envvar="INTERLOCK_BLOCK_S",
    metavar="S",
    type=click.FloatRange(0.05, 3_600),
    help="Length of a block of evidence (1).",
)
@click.option(
    "--concurrency",
    envvar="INTERLOCK_CONCURRENCY",
    metavar="N",
    type=click.IntRange(1),
    help="Worker threads of Envoy (2).",
)
@click.option("--keep-envoy", is_flag=True, help="Leave Envoy serving when this ends; the next start adopts it.")
@output_option
@click.pass_obj
def up(obj: dict[str, Any], /, keep_envoy: bool, output: str, **given: Any) -> None:
    """Start the control plane and a supervised Envoy; runs until interrupted."""
    from interlock.adapters.workspace.loader import WorkspaceFiles
    from interlock.config import settings
    from interlock.wiring import REGISTRY_PATH, ControlPlane

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
        ready["registry"] = ready["api"] + REGISTRY_PATH
        if output == "json":
            click.echo(json.dumps({"ready": ready}))
        else:
            click.echo(f"ready: edge {ready['edge']}/SERVICE/, inner {ready['inner']}/SERVICE/")
            click.echo(f"       control plane {ready['api']} (token in {chosen.state_dir / 'token'})")
            click.echo(f"       schema registry {ready['registry']}")
        plane.serve()
    except KeyboardInterrupt:
        pass
    finally:
        plane.close(keep_proxy=keep_envoy)


@click.command()
@click.option("--junit", type=_FILE, help="Write the results there as JUnit XML.")
@click.option("--markdown", type=_FILE, help="Write a summary there for a pull request.")
@click.option("--mode", default="BACKWARD", help="How contract versions go together (BACKWARD).")
@output_option
@click.pass_obj
def validate(obj: dict[str, Any], junit: Path | None, markdown: Path | None, mode: str, output: str) -> None:
    """Check that the workspace is valid, contract versions go together, and plans compile; for CI, offline.

    Contract versions that a lens translates go together. Exit code 0: all holds; 2: the workspace is not valid;
    3: contracts or plans do not hold.
    """
    from interlock.adapters.reports.verified import as_junit, as_markdown
    from interlock.adapters.schemas.table_moves import MigrationWriter
    from interlock.adapters.workspace.loader import WorkspaceFiles
    from interlock.domain.schemas.modes import Mode
    from interlock.engine.verify import cases
    from interlock.kernel.digest import plain

    if mode.upper() not in list(Mode):
        raise click.BadParameter(f"{mode!r} is none of {', '.join(Mode)}", param_hint="--mode")
    workspace, findings = WorkspaceFiles(obj["workspace"]).load()
    found = cases(workspace, findings, Mode(mode.upper()), MigrationWriter(obj["workspace"]))
    for path, content in ((junit, as_junit), (markdown, as_markdown)):
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content(found), "utf-8")

    def text() -> None:
        for case in found:
            for finding in case.findings:
                click.echo(str(finding))
        for case in found[1:]:
            click.echo(f"{'pass' if case.holds else 'FAIL'}  {case.suite}: {case.name}")
        errors = sum(f.is_blocking for case in found for f in case.findings)
        others = sum(len(case.findings) for case in found) - errors
        click.echo(f"{errors} error{'' if errors == 1 else 's'}, {others} other findings")

    document = {
        "findings": plain(findings),
        "is_valid": all(case.holds for case in found),
        "cases": [plain(case) | {"holds": case.holds} for case in found],
    }
    show(output, document, text)
    if not found[0].holds:
        finish(Exit.INVALID)
    if not document["is_valid"]:
        finish(Exit.NO)


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
