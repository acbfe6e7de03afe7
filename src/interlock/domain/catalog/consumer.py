"""Who reads which fields of a contract, at which version: what a change breaks, and for whom."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.domain.catalog.asset import AssetId
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
