"""Use case: recompute the audit chain."""

from __future__ import annotations

from typing import Any

from interlock.domain.audit.chain import verify
from interlock.engine.context import Context
from interlock.kernel.digest import plain


def verification(context: Context) -> dict[str, Any]:
    """`verified` or `broken`, how many entries, the head, and every finding."""
    with context.store.transaction(read_only=True) as tx:
        entries = tx.trail()
        findings = verify(entries, head=tx.head())
    return {
        "audit": "broken" if findings else "verified",
        "entries": len(entries),
        "head": entries[-1].digest if entries else None,
        "findings": plain(findings),
    }
