"""A lens: the ops that take a record of one contract version to the next, readable in both directions."""

from __future__ import annotations

from dataclasses import dataclass, field

from interlock.domain.lenses.ops import Program


@dataclass(frozen=True, slots=True)
class Lens:
    """Translates `contract` from version `older` to version `newer`; `ops` is the forward program.

    where: `file:line` of the document, and `places` those of its ops, where they are known. is_draft: nobody has
    confirmed it yet, so nothing is translated by it.
    """

    contract: str
    older: str
    newer: str
    ops: Program
    where: str = ""
    is_draft: bool = False
    places: tuple[str, ...] = field(default=(), compare=False)

    @property
    def title(self) -> str:
        """How people name it: `order@1..2`."""
        return f"{self.contract}@{self.older}..{self.newer}"

    @property
    def subject(self) -> str:
        """What findings about it name."""
        return f"lens:{self.title}"

    def place(self, number: int) -> str:
        """Where the op of that number, from 1, is written."""
        return self.places[number - 1] if number <= len(self.places) else self.where
