"""Use cases of checks: take results in as evidence, and say what was last found about a subject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.domain.audit.event import Event
from interlock.domain.checks.record import as_document, as_record, result_from, results_from
from interlock.engine.context import Context
from interlock.engine.ports import Transaction


def take_in(context: Context, document: Mapping[str, Any], person: str) -> dict[str, Any]:
    """Keep every result of an evidence document; the newest of a subject and name counts.

    CheckEvidenceInvalid when a digest does not fit; then none is kept. Posting again changes nothing.
    """
    results = results_from(document)
    now = context.clock.now()
    told = as_document(results)
    with context.store.transaction() as tx:
        new = sum(_keep(tx, as_record(result)) for result in results)
        if new:
            facts = {"digests": [record["digest"] for record in told["results"]], "verdict": told["verdict"]}
            tx.append(Event(now, person, "checks.reported", "checks", f"{new} new results", facts))
    return {"received": len(results), "new": new, "verdict": told["verdict"]}


def _keep(tx: Transaction, record: Mapping[str, Any]) -> bool:
    """Whether the record was not there yet."""
    key = f"{record['subject']}/{record['name']}"
    found = tx.read("check", key)
    if found is not None and found.body["digest"] == record["digest"]:
        return False
    tx.write("check", key, record)
    return True


def latest(context: Context, subject: str) -> dict[str, Any]:
    """The newest result of each check on `subject` (all subjects when empty), and their verdict together."""
    with context.store.transaction(read_only=True) as tx:
        kept = [d.body for d in tx.scan("check", f"{subject}/" if subject else "")]
    return as_document(result_from(record) for record in kept)
