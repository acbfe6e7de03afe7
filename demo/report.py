"""Writes the report of a run: `report.json` for machines, `index.html` for people, from the same figures."""

from __future__ import annotations

import json
from pathlib import Path

from demo.figures import Report
from demo.page import page_of


def write_report(report: Report, folder: Path) -> Path:
    """Write both files and return the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report.as_json(), indent=1, allow_nan=False) + "\n")
    page = folder / "index.html"
    page.write_text(page_of(report))
    return page
