"""What every source of metrics refuses in the same words."""

from __future__ import annotations

from interlock.kernel.errors import Invalid


class SourceUrlInvalid(Invalid):
    """The address of a metric source cannot be used."""

    code = "source.url-invalid"
