"""The machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime

from interlock.kernel.instant import Instant


class SystemClock:
    """Wall-clock time in UTC."""

    def now(self) -> Instant:
        return datetime.now(UTC)
