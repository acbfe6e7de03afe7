"""lens partitions: a share of a dataset's partitions in another version, the rest as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli.api import Api
from interlock.cli.api import part as quoted
from interlock.cli.lens_data import asked_lens, share_of
from interlock.cli.output import output_option, show

if TYPE_CHECKING:
    from interlock.domain.lenses.partitions import Partitions
    from interlock.engine.lens_data import Asked


@click.command("partitions")
@click.argument("lens", metavar="LENS")
@click.argument("source", metavar="IN_DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("target", metavar="OUT_DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--share", default="", metavar="PERCENT", help="Of the partitions (all).")
@click.option("--salt", default="", help="Of the buckets of --share (the lens).")
@click.option("--follow", is_flag=True, help="Instead: the share of the running rollout that moves the contract.")
@click.option("--withdraw", is_flag=True, help="Remove from OUT_DIR what is no longer in the share.")
@output_option
@click.pass_obj
def partitions(obj: dict[str, Any], /, lens: str, source: Path, target: Path, output: str, **said: Any) -> None:
    """Translate a share of the files of IN_DIR into OUT_DIR, under the same names.

    A partition is a file; its name decides whether it is in the share, so that a share that grows adds partitions
    and takes none back. What is there already stays. The rest of IN_DIR is left as it is.
    """
    from interlock.domain.lenses.partitions import sorted_out

    if target.resolve().is_relative_to(source.resolve()):
        raise click.BadParameter(f"{target} is in {source}, whose files would be taken for translated ones")
    asked = asked_lens(obj["workspace"], lens, "", "")
    weight_bp, seed, because = _followed(obj, asked) if said["follow"] else _given(said, asked)
    found = sorted_out(_names(source), set(_names(target)), weight_bp, seed)
    if output != "json":
        click.echo(because, err=True)
    rows = {name: _translate(asked, source / name, target / name, output) for name in found.due}
    withdrawn = found.beyond if said["withdraw"] else ()
    for name in withdrawn:
        (target / name).unlink()
    told = {
        "because": because,
        "translated": rows,
        "done": list(found.done),
        "waiting": list(found.waiting),
        "beyond": [name for name in found.beyond if name not in withdrawn],
        "withdrawn": list(withdrawn),
    }
    show(output, told, lambda: _tell(found, rows, withdrawn))


def _given(said: dict[str, Any], asked: Asked) -> tuple[int, int, str]:
    from interlock.domain.traffic.bucket import seed

    weight_bp = round(share_of(said["share"] or "100%") * 10_000)
    return weight_bp, seed(said["salt"] or asked.title), f"{weight_bp / 100:g} % of the partitions are asked for"


def _followed(obj: dict[str, Any], asked: Asked) -> tuple[int, int, str]:
    """The share of the rollout; everything or nothing where none is under way."""
    from interlock.domain.lenses.partitions import WHOLE_BP
    from interlock.engine.codec import load
    from interlock.engine.schema_share import SchemaShare

    now = load(SchemaShare, Api(**obj).get(f"/schema-share/{quoted(asked.source.name)}"))
    if now.share is not None and now.share.version == asked.target.version:
        return now.share.weight_bp, now.share.seed, now.because
    return WHOLE_BP if now.default == asked.target.version else 0, 0, now.because


def _names(folder: Path) -> list[str]:
    """The files of known forms, relative to the folder; hidden ones and parts of runs are none."""
    from interlock.adapters.schemas.row_forms import FORMS

    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return [
        path.as_posix()
        for path in found
        if path.suffix.lower() in FORMS and not any(name.startswith((".", "_")) for name in path.parts)
    ]


def _translate(asked: Asked, source: Path, target: Path, output: str) -> int:
    """One partition, whole or not at all; the rows that it has."""
    from interlock.adapters.schemas.lens_runs import prepared
    from interlock.engine.lens_data import run

    target.parent.mkdir(parents=True, exist_ok=True)
    with prepared(asked, str(source), "", target, None) as work:
        result = run(work.source, work.translate, work.parts, keeps_rejects=False)
    if output != "json":
        click.echo(f"{target}: {result.written:,} rows", err=True)
    return result.written


def _tell(found: Partitions, rows: dict[str, int], withdrawn: tuple[str, ...]) -> None:
    click.echo(
        f"{len(rows)} partitions translated ({sum(rows.values()):,} rows), {len(found.done)} were there, "
        f"{len(found.waiting)} stay as they are"
    )
    if withdrawn:
        click.echo(f"{len(withdrawn)} partitions are no longer in the share and were removed")
    elif found.beyond:
        click.echo(f"{len(found.beyond)} partitions are no longer in the share; --withdraw removes them")
