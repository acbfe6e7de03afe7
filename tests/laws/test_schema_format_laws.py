"""Laws of schema formats: what is written reads back as it was, or a finding says exactly what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from interlock.adapters.schemas import arrow
from interlock.adapters.schemas.ddl import ddl
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.formats.catalog import FORMATS
from interlock.domain.schemas.formats.form import Format, export_as, import_as
from interlock.domain.schemas.formats.gaps import gaps
from interlock.domain.schemas.formats.notes import Notes
from support.any_contracts import contracts

CARRYING = [form for form in FORMATS.values() if form.aside]
EVERY = list(FORMATS.values())


def reread(form: Format, contract: Contract) -> Contract:
    """The contract as a tool of the format sees it, without what is carried aside."""
    document = form.parse(form.render(form.write(contract)), "x")
    notes = Notes("x")
    found = form.read(document, notes)
    assert not any(f.is_blocking for f in notes.findings), notes.findings
    return found


@pytest.mark.parametrize("form", CARRYING, ids=lambda f: f.name)
@given(contract=contracts())
@settings(max_examples=20, deadline=None)
def test_a_format_with_room_reads_back_what_was_written(form: Format, contract: Contract) -> None:
    """What the format has no place for is carried aside, so nothing is lost between two users of Interlock."""
    written = export_as(form, contract)
    read = import_as(form, written.content, "x")
    assert not any(f.code.startswith("import.aside") for f in read.findings)
    assert replace(read.contract, where="") == contract


@pytest.mark.parametrize("form", EVERY, ids=lambda f: f.name)
@given(contract=contracts())
@settings(max_examples=20, deadline=None)
def test_what_reads_back_differently_is_told(form: Format, contract: Contract) -> None:
    """A contract comes back as it was exactly when the export has no finding; each finding names another place."""
    findings = export_as(form, contract).findings
    found = reread(form, contract)
    assert (replace(found, where="") == contract) is (findings == ())
    assert len({(f.where, f.says) for f in findings}) == len(findings)


@pytest.mark.parametrize("form", EVERY, ids=lambda f: f.name)
@given(contract=contracts())
@settings(max_examples=20, deadline=None)
def test_what_a_format_holds_it_holds_exactly(form: Format, contract: Contract) -> None:
    """What a document says survives being written again: after the first time, nothing more is lost."""
    once = reread(form, contract)
    assert gaps(once, reread(form, once)) == ()


@given(older=contracts(depth=1), newer=contracts(depth=1))
@settings(max_examples=40, deadline=None)
def test_no_gap_means_the_same_contract(older: Contract, newer: Contract) -> None:
    """Two contracts without a gap are equal, and equal ones have none."""
    assert (gaps(older, newer) == ()) is (older == newer)
    assert gaps(older, older) == ()


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "snowflake"])
@given(contract=contracts(depth=1))
@settings(max_examples=10, deadline=None)
def test_sql_holds_exactly_what_it_says(dialect: str, contract: Contract) -> None:
    """What CREATE TABLE says survives being written again, and every attribute that it lacks is told."""
    form = ddl(dialect)
    once = reread(form, contract)
    assert gaps(once, reread(form, once)) == ()
    assert (export_as(form, contract).findings == ()) is (gaps(contract, once) == ())


@given(contract=contracts(depth=2))
@settings(max_examples=20, deadline=None)
def test_arrow_reads_back_what_was_written(contract: Contract) -> None:
    """With what is carried in the metadata a contract comes back whole, without it as Arrow tools see it."""
    written = export_as(arrow.FORMAT, contract)
    assert replace(import_as(arrow.FORMAT, written.content, "x").contract, where="") == contract
    once = reread(arrow.FORMAT, contract)
    assert gaps(once, reread(arrow.FORMAT, once)) == ()
