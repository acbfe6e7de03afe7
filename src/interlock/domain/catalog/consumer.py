"""Who reads which fields of a contract, who writes it, and where it is kept: what a change breaks, and for whom."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.domain.catalog.asset import AssetId
from interlock.domain.catalog.database import Table
from interlock.domain.catalog.service import VersionRef


@dataclass(frozen=True, slots=True)
class Use:
    """`reader` reads `contract`. fields: paths of those that it looks at (`total`, `lines.price`); all when
    empty.
    """

    reader: AssetId
    contract: VersionRef
    fields: tuple[str, ...] = ()
    where: str = ""

    def touches(self, path: str) -> bool:
        """Whether a field's path, as compatibility writes it, is one that the reader looks at, or one around or
        within such a one. The empty path stands for the whole record.
        """
        plain = path.replace("[]", "").replace("{}", "")
        return (
            not plain
            or not self.fields
            or any(
                plain == one or plain.startswith(f"{one}.") or one.startswith(f"{plain}.") for one in self.fields
            )
        )


@dataclass(frozen=True, slots=True)
class Writing:
    """`writer`, no service of the release, writes records of this contract version."""

    writer: AssetId
    contract: VersionRef
    where: str = ""


@dataclass(frozen=True, slots=True)
class Keeping:
    """`asset`, a dataset or a stream, keeps records of the contract. is_drained: before readers move to a version
    that does not read what is kept, that is drained or rewritten. table: where its rows are, when they are to be
    moved with the contract.
    """

    asset: AssetId
    contract: str
    is_drained: bool = False
    where: str = ""
    table: Table | None = None
