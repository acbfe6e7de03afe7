"""lens export and import: lenses as the migration rules of schema registries, and back as drafts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli.output import output_option, show
from interlock.kernel.errors import Refused

if TYPE_CHECKING:
    from interlock.kernel.finding import Finding

_FORMS = click.Choice(["migration-rules"])
_FILE = click.Path(path_type=Path, dir_okay=False)


class LensNotExported(Refused):
    """A lens does what the other form cannot say."""

    code = "lens.not_exported"


@click.command("export")
@click.argument("lens", metavar="LENS")
@click.option("--as", "form", type=_FORMS, required=True, help="migration-rules: a schema registry's ruleSet.")
@click.option("--out", type=_FILE, help="Write there instead of printing.")
@output_option
@click.pass_obj
def export(obj: dict[str, Any], lens: str, form: str, out: Path | None, output: str) -> None:
    """Write a lens as JSONata rules for a schema registry, UPGRADE and DOWNGRADE; they stand at the newer version.

    What the rules cannot do exactly as the lens does is refused, op by op; nothing is written then.
    """
    from interlock.adapters.workspace.loader import write_once
    from interlock.cli.lens_documents import LensUnreadable, found_lens
    from interlock.domain.lenses.check import fit
    from interlock.domain.lenses.migration_rules import rules_of

    found = found_lens(obj["workspace"], lens)
    if found.older is None or found.newer is None:
        lacking = found.lens.older if found.older is None else found.lens.newer
        says = f"{found.lens.contract}@{lacking} is not declared, so the types of its fields are not known"
        raise LensUnreadable(says, remedy="Add it with `interlock contract add`.", where=found.lens.where)
    blocking = [one for one in fit(found.lens, found.older, found.newer) if one.is_blocking]
    document, refusals = rules_of(found.lens, found.older, found.newer)
    if blocking or refusals:
        raise _refused(blocking or refusals)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if out:
        write_once(out, text)
    told = {"lens": found.title, "ruleSet": document, "written": str(out or "")}
    show(output, told, lambda: click.echo(f"wrote {out}" if out else text, nl=bool(out)))


def _refused(findings: list[Finding]) -> LensNotExported:
    first, more = findings[0], findings[1:]
    says = "; ".join([first.says.rstrip("."), *(one.says.rstrip(".") for one in more)])
    return LensNotExported(says, remedy=first.remedy, where=first.where, findings=findings)


@click.command("import")
@click.argument("file", metavar="FILE")
@click.option("--as", "form", type=_FORMS, required=True, help="migration-rules: a schema registry's ruleSet.")
@click.option("--from", "older", required=True, metavar="A", help="The older version: NAME@VERSION or a file.")
@click.option("--to", "newer", required=True, metavar="B", help="The newer version: NAME@VERSION or a file.")
@click.option("--write", "target", type=_FILE, help="Write the draft there.")
@output_option
@click.pass_obj
def import_(
    obj: dict[str, Any], file: str, form: str, older: str, newer: str, target: Path | None, output: str
) -> None:
    """Draft a lens from the migration rules in FILE (- for standard input): rules, a ruleSet, or a schema as a
    registry answers it.

    A rule that says what no lens can say is refused, with the construct and its column.
    """
    from interlock.adapters.workspace.loader import write_once
    from interlock.cli.contract_files import opened
    from interlock.cli.lens_documents import written
    from interlock.cli.lens_suggest import apart, left_open, tell
    from interlock.domain.lenses.migration_rules import rules_in
    from interlock.domain.lenses.migration_rules_import import lens_of
    from interlock.domain.lenses.migration_rules_read import RuleUnreadable
    from interlock.kernel.digest import plain

    rules = rules_in(_json(file))
    if rules is None:
        says = f"{file} holds no migration rules"
        raise RuleUnreadable(says, remedy="Give a list of rules, a ruleSet, or a schema with one.", where=file)
    ends = apart(opened(obj["workspace"], older).contract, opened(obj["workspace"], newer).contract)
    entries = lens_of(rules, ends[0].fields, ends[1].fields)
    notes = (f"Drafted from the migration rules in {file}: confirm each op.",)
    text = written(ends[1].name, ends[0].version, ends[1].version, entries, notes)
    findings = left_open(text, str(target or "draft"), *ends)
    if target:
        write_once(target, text)
    document = {"lens": text, "findings": plain(findings), "written": str(target or "")}
    show(output, document, lambda: tell(text, findings, target))


def _json(file: str) -> Any:
    from interlock.domain.lenses.migration_rules_read import RuleUnreadable

    try:
        return json.loads(sys.stdin.read() if file == "-" else Path(file).read_text("utf-8-sig"))
    except OSError as error:
        raise click.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="FILE") from error
    except (ValueError, RecursionError) as error:
        raise RuleUnreadable(f"it is no JSON: {error}", remedy="Give the rules as JSON.", where=file) from error
