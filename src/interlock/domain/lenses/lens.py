"""A lens: the ops that take a record of one contract version to the next, readable in both directions."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.domain.lenses.ops import Program


@dataclass(frozen=True, slots=True)
class Lens:
    """Translates `contract` from version `older` to version `newer`; `ops` is the forward program."""

    contract: str
    older: str
    newer: str
    ops: Program
    where: str = ""
