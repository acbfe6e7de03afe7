"""What may be asked of a database: one statement that reads.

The guard refuses early and with a reason; what really protects the data are the read-only transaction that the
statement runs in and, above all, an account that may only read. It errs on the safe side: a semicolon is refused
wherever it stands but at the end, since what a database takes as text differs.
"""

from __future__ import annotations

import re

from interlock.adapters.metrics.translate import senseless

_READS = re.compile(r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*(select|with|values|from)\b", re.IGNORECASE | re.DOTALL)
_WRITES = re.compile(
    r"\b(insert|update|delete|merge|replace|drop|alter|create|truncate|grant|revoke|call|copy|into|attach|detach"
    r"|install|load|pragma|set|vacuum|export|import|execute)\b",
    re.IGNORECASE,
)


def one_reading_statement(sql: str) -> str:
    """The statement without its final semicolon; Senseless when it is not one statement that reads."""
    text = sql.strip().removesuffix(";").rstrip()
    if ";" in text:
        raise senseless("the query has a semicolon inside", "Write one statement; in a text write chr(59).")
    if not _READS.match(text):
        raise senseless("the query does not begin with SELECT, WITH or VALUES", "Metrics are read, never written.")
    return text


def no_word_that_writes(sql: str) -> None:
    """Senseless when a word that could write stands anywhere. For databases that know no read-only transaction."""
    if found := _WRITES.search(sql):
        raise senseless(
            f"the query has the word {found[0]!r}, which could write", "Rename the column, or read through a view."
        )
