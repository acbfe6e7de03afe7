"""check: the same questions about models, data and services, in CI and in a rollout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

import click

from interlock.cli.api import Api
from interlock.cli.output import Exit, finish, output_option, show

if TYPE_CHECKING:
    from interlock.domain.checks.check import CheckResult, Verdict

_FILE = click.Path(path_type=Path, dir_okay=False)
_DEFAULT = Path("checks")


@click.group()
def check() -> None:
    """Checks of models, data and services, whose results are evidence."""


def _evidence_options(command: Any) -> Any:
    for option in (
        click.option("--post", is_flag=True, help="Give the results to the control plane."),
        click.option("--evidence", type=_FILE, metavar="FILE", help="Write the results into FILE."),
    ):
        command = option(command)
    return command


@check.command("run")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--subject", default="", metavar="KIND:NAME@VERSION", help="What checks without a subject are about.")
@_evidence_options
@output_option
@click.pass_obj
def check_run(
    obj: dict[str, Any], paths: tuple[Path, ...], subject: str, evidence: Path | None, post: bool, output: str
) -> None:
    """Run the checks in PATHS (Python and YAML files, or directories; by default `checks`).

    Python files are executed. Exit code 0: all pass; 3: one fails; 4: none fails, one is undecided.
    """
    from interlock.checking.run import run_paths

    conclude(obj, run_paths(paths or (obj["workspace"] / _DEFAULT,), subject), evidence, post, output)


@check.command("import")
@click.argument("report", type=_FILE)
@click.option("--format", "form", type=click.Choice(["junit", "json"]), required=True, help="What the file is.")
@click.option("--subject", required=True, metavar="KIND:NAME@VERSION", help="What the report is about.")
@_evidence_options
@output_option
@click.pass_obj
def check_import(
    obj: dict[str, Any], report: Path, form: str, subject: str, evidence: Path | None, post: bool, output: str
) -> None:
    """Take in the REPORT of another tool as evidence: JUnit XML, or JSON with a list of results."""
    from interlock.adapters.reports import read_report
    from interlock.adapters.reports.junit import results_of_junit
    from interlock.adapters.reports.tool_json import results_of_json

    read = results_of_junit if form == "junit" else results_of_json
    conclude(obj, read(read_report(report), subject, str(report)), evidence, post, output)


@check.command("post")
@click.argument("evidence", type=_FILE)
@output_option
@click.pass_obj
def check_post(obj: dict[str, Any], evidence: Path, output: str) -> None:
    """Give EVIDENCE, written earlier, to the control plane."""
    from interlock.adapters.reports import read_report
    from interlock.adapters.reports.tool_json import results_of_json
    from interlock.domain.checks.record import as_document

    results = results_of_json(read_report(evidence), "", str(evidence))
    answer = Api(**obj).post("/checks", as_document(results))
    show(output, answer, lambda: click.echo(f"posted {len(results)} results"))


def conclude(
    obj: dict[str, Any], results: list[CheckResult], evidence: Path | None, post: bool, output: str
) -> None:
    """Write, post and print the results, and end with the exit code of their verdict."""
    from interlock.domain.checks.check import overall
    from interlock.domain.checks.record import as_document

    document = as_document(results)
    if evidence:
        evidence.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if post:
        Api(**obj).post("/checks", document)
    show(output, document, lambda: _print(results))
    finish(_exit_of(overall((result.name, result.verdict) for result in results)))


def _exit_of(verdict: Verdict) -> Exit:
    from interlock.domain.checks.check import Fail, Pass, Undecided

    match verdict:
        case Pass():
            return Exit.DONE
        case Fail():
            return Exit.NO
        case Undecided():
            return Exit.UNDECIDED
        case _:
            assert_never(verdict)


def _print(results: list[CheckResult]) -> None:
    from interlock.domain.checks.check import overall, symbol

    width = max((len(result.name) for result in results), default=0)
    for result in results:
        _print_line(
            result.name.ljust(width), result.measurement.verdict, f"  ({result.subject})" * bool(result.subject)
        )
        parts = result.measurement.parts
        for part in parts:
            if part.verdict.kind != "pass" and len(parts) > 1:
                _print_line(f"  {part.name}".ljust(width), part.verdict, "")
    verdict = overall((result.name, result.verdict) for result in results)
    counts = [sum(result.verdict.kind == kind for result in results) for kind in ("pass", "fail", "undecided")]
    click.echo(f"{symbol(verdict)}: {counts[0]} pass, {counts[1]} fail, {counts[2]} undecided")


def _print_line(name: str, verdict: Verdict, about: str) -> None:
    from interlock.domain.checks.check import Undecided, symbol

    click.secho(f"{symbol(verdict):<10}", nl=False, bold=verdict.kind == "fail")
    missing = f"; missing: {verdict.missing}" if isinstance(verdict, Undecided) else ""
    click.echo(f"{name}  {verdict.because}{missing}{about}")
