"""What squawk says of statements for Postgres: unsafe while applications use the database, with its remedy.

squawk is a program that is installed beside the interpreter (`pip install 'interlock[postgres]'`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from interlock.kernel.finding import Finding, Severity

_SECONDS = 60


def squawk_findings(
    statements: Sequence[str],
    subject: str,
    where: str,
    version: str = "",
    is_in_transaction: bool = True,
    answered: Collection[str] = (),
) -> tuple[Finding, ...]:
    """A finding for each rule that a statement breaks, but for the rules `answered`. where: what is told before the
    number of the statement. Where squawk is not installed or does not answer, the one finding says so.
    """
    if not statements:
        return ()
    program = Path(sys.executable).with_name("squawk")
    if not program.exists():
        remedy = "Install it with: pip install 'interlock[postgres]'"
        return (_unchecked("squawk_absent", subject, "squawk is not installed", remedy),)
    texts = [f"{sql.rstrip().rstrip(';')};\n" for sql in statements]
    said = _asked(program, "".join(texts), version, is_in_transaction)
    if isinstance(said, str):
        return (_unchecked("squawk_failed", subject, f"squawk failed: {said}", "Run it by hand to see more."),)
    starts = [0, *accumulate(text.count("\n") for text in texts)]
    return tuple(_findings(said, starts, subject, where, frozenset(answered)))


def _unchecked(code: str, subject: str, why: str, remedy: str) -> Finding:
    says = f"the statements were not checked for what is unsafe while applications write: {why}"
    return Finding(f"migration.{code}", Severity.WARNING, subject, says, remedy)


def _asked(program: Path, sql: str, version: str, is_in_transaction: bool) -> list[Mapping[str, Any]] | str:
    """What squawk says, or why it says nothing."""
    command = [str(program), "--reporter", "json", "--stdin-filepath", "plan.sql"]
    command += ["--pg-version", ".".join(version.split()[0].split(".")[:2])] if version else []
    command += ["--assume-in-transaction"] if is_in_transaction else []
    try:
        done = subprocess.run(command, input=sql, capture_output=True, text=True, timeout=_SECONDS, check=False)
        said: list[Mapping[str, Any]] = json.loads(done.stdout or "[]")
    except (OSError, subprocess.TimeoutExpired, json.JSONDecodeError) as fault:
        return f"{type(fault).__name__}: {fault}"[:200]
    return said if done.returncode in (0, 1) else done.stderr.strip()[:200]


def _findings(
    said: Sequence[Mapping[str, Any]], starts: Sequence[int], subject: str, where: str, answered: Collection[str]
) -> Iterator[Finding]:
    seen = set()
    for one in said:
        number = bisect_right(starts, one["line"])
        rule = one["rule_name"]
        if rule in answered or (rule, number) in seen:
            continue
        seen.add((rule, number))
        how = Severity.ERROR if one["level"] == "Error" else Severity.WARNING
        says = f"{one['message'].rstrip('.')} ({rule})"
        yield Finding(f"squawk.{rule}", how, subject, says, one.get("help") or "", f"{where}:{number}")
