"""Reports of other tools, taken in as evidence: JUnit XML, and JSON of the forms that test tools write.

What a tool says passed is Pass, what it says failed is Fail. An error, a skip, a warning or a word that is not
known is Undecided, and so is a report with nothing in it. Reports are untrusted: bounded in size, and never
resolved.
"""

from __future__ import annotations

from pathlib import Path

from interlock.kernel.errors import Invalid

MAX_BYTES = 32 * 2**20
MAX_CASES = 100_000
LONGEST_REASON = 500


class ReportInvalid(Invalid):
    """A file is no report of the format that was named."""

    code = "report.invalid"


def read_report(path: Path) -> bytes:
    """The bytes of a report; ReportInvalid when there is none or it is too large."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as fault:
        raise ReportInvalid(f"cannot be read: {fault.strerror}", where=str(path)) from fault
    if len(content) > MAX_BYTES:
        raise ReportInvalid(f"has more than {MAX_BYTES:,} bytes", remedy="Split the report.", where=str(path))
    return content


def reason(text: str) -> str:
    """The first lines of what a tool says, short enough to keep."""
    told = " ".join(text.split())
    return told if len(told) <= LONGEST_REASON else told[: LONGEST_REASON - 3] + "..."
