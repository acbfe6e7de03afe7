"""Whether a table keeps to a contract: one aggregate query for all conditions and counting rules, one query per key
for duplicates and one per reference; then a few rows for whatever is broken, without what is personal.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from interlock.adapters.schemas.expressions import Breaks, breaks, counted_by, read
from interlock.adapters.schemas.guard import only_reads
from interlock.adapters.schemas.references import ReferenceNotAsked, orphans
from interlock.adapters.schemas.row_checks import Rows, rows_with
from interlock.adapters.schemas.tables import DataMissing, Table
from interlock.domain.checks.check import CheckResult, Fail, Measurement, Part, Pass, Undecided, counted, overall
from interlock.domain.checks.requirements import (
    RULE_METRICS,
    Condition,
    Key,
    conditions,
    judged,
    judged_rule,
    keys,
    unasked,
)
from interlock.domain.lenses.rows import RowCondition, row_conditions
from interlock.domain.schemas.contract import Contract, Object, Reference, Rule
from interlock.domain.schemas.field import Field, Struct
from interlock.kernel.errors import Invalid

REDACTED = "(personal)"


def validated(
    table: Table,
    contract: Contract,
    one: Object,
    source: str,
    examples: int = 3,
    now: datetime.datetime | None = None,
    others: Mapping[str, str] | None = None,
) -> CheckResult:
    """The result for the object: a part per condition, key, check, reference and rule.

    examples: rows shown of what is broken. now: for rules of freshness, which are undecided without it. others:
    where other objects are, by name: files beside a file, tables of the same database beside a table.
    DataUnreadable when a query fails; DataMissing when one of `others` is not there.
    """
    checks = row_conditions(one)
    rows = rows_with(table, one, checks)
    run = _Run(replace(table, rows=rows.rows), table, contract, one, examples, now, rows, others or {})
    parts = run.parts()
    verdict = overall((part.name, part.verdict) for part in parts if part.facts.get("is_asked", True))
    facts = {"rows": run.rows, "data": table.name}
    measurement = Measurement("integrity", "rows that break the contract", verdict, parts=parts, facts=facts)
    return CheckResult(f"data.{one.name}", f"contract:{contract.name}@{contract.version}", measurement, source)


@dataclass(slots=True)
class _Run:
    """One table under validation. table: with the columns of row conditions; bare: without. counts: name -> figure
    of the one query; broken: name -> which rows break it.
    """

    table: Table
    bare: Table
    contract: Contract
    one: Object
    examples: int
    now: datetime.datetime | None
    checked: Rows
    others: Mapping[str, str]
    counts: dict[str, Any] = field(default_factory=dict)
    broken: dict[str, Any] = field(default_factory=dict)
    rows: int = 0

    def parts(self) -> tuple[Part, ...]:
        asked = [(c, found) for c in conditions(self.one) if (found := breaks(self.table, c)) is not None]
        self.broken = {c.name: found.rows for c, found in asked if found.rows is not None}
        self.broken |= {_named(c): ~self.table.rows[column] for c, column in self.checked.kept.items()}
        aggregates = {"rows": self.table.rows.count()}
        aggregates |= {f"c{i}": expr.sum() for i, expr in enumerate(self.broken.values())}
        aggregates |= dict(self.rule_aggregates())
        self.counts = self.asked(aggregates)
        self.rows = int(self.counts["rows"])
        counts = {name: int(self.counts[f"c{i}"] or 0) for i, name in enumerate(self.broken)}
        parts = [self.condition(c, how, counts) for c, how in asked]
        parts += [self.content()] if not self.one.is_open else []
        parts += map(self.key, keys(self.one))
        parts += [self.check(c, counts) for c in self.checked.kept]
        parts += [_unasked(_named(c), why) for c, why in self.checked.unasked.items()]
        parts += [
            _unasked(f"check {c.name}", "it has no meaning") for c in self.one.checks if self.is_lacking(c.name)
        ]
        parts += map(self.reference, self.one.references)
        parts += [self.rule(i, rule) for i, rule in enumerate(self.one.rules)]
        return (*parts, *(_aside(what, why) for what, why in unasked(self.one)))

    def asked(self, aggregates: Mapping[str, Any]) -> dict[str, Any]:
        """The one row of an aggregate query."""
        answer: dict[str, Any] = self.table.ask(self.table.rows.aggregate(**aggregates))[0]
        return answer

    def condition(self, asked: Condition, how: Breaks, found: Mapping[str, int]) -> Part:
        if how.reason:
            return Part(asked.name, Fail(how.reason), None, {"rows": self.rows})
        if how.rows is None:
            return Part(asked.name, Pass(f"{asked.says}, by the column's type"))
        broken = found[asked.name]
        verdict = judged(broken, self.rows, asked.says)
        return self.part(asked.name, broken, verdict, self.broken[asked.name], asked.path[:1])

    def is_lacking(self, check: str) -> bool:
        """Whether the check of that name could not be read."""
        return all(c.name != check for c in (*self.checked.kept, *self.checked.unasked))

    def check(self, asked: RowCondition, found: Mapping[str, int]) -> Part:
        name = _named(asked)
        verdict = judged(found[name], self.rows, f"`{asked.says}`")
        return self.part(name, found[name], verdict, self.broken[name], asked.fields)

    def reference(self, asked: Reference) -> Part:
        name = f"{', '.join(asked.fields)} reference"
        target = next((o for o in self.contract.objects if asked.to in (o.name, o.physical_name)), None)
        try:
            other = self.other(asked.to, target)
            lost = None if other is None else orphans(self.bare, self.one, asked, other, target)
        except ReferenceNotAsked as why:
            return _unasked(name, str(why))
        if lost is None:
            return Part(name, Undecided(f"{asked.to} is not at hand", f"where it is: --with {asked.to}=..."))
        broken = self.table.count(lost)
        says = f"{', '.join(asked.fields)} is in {asked.to} ({', '.join(asked.to_fields)})"
        return self.told(name, broken, judged(broken, self.rows, says), lost, asked.fields)

    def other(self, name: str, target: Object | None) -> Table | None:
        """The table that a reference is to: one that was given, this one, or one of the contract beside it."""
        if self.bare.beside is not None and (given := self.others.get(name)):
            return self.bare.beside(given)
        if target is self.one or name == self.one.name:
            return self.bare
        if target is None or self.bare.is_file or self.bare.beside is None:
            return None
        try:
            return self.bare.beside(target.physical_name or target.name)
        except DataMissing:
            return None

    def part(self, name: str, broken: int, verdict: Any, rows: Any, fields: tuple[str, ...]) -> Part:
        return self.told(name, broken, verdict, self.table.rows.filter(rows), fields)

    def told(self, name: str, broken: int, verdict: Any, rows: Any, fields: tuple[str, ...]) -> Part:
        """rows: those that are broken, of which some are shown."""
        share = counted(broken / self.rows if self.rows else 0.0, self.rows)
        facts: dict[str, Any] = {"broken": broken, "rows": self.rows}
        if broken and self.examples:
            facts["examples"] = self.shown(rows, fields)
        return Part(name, verdict, share, facts)

    def shown(self, rows: Any, fields: tuple[str, ...]) -> list[dict[str, Any]]:
        """A few rows: the primary key and the fields in question, personal values left out."""
        held_fields = [n for n in dict.fromkeys((*self.one.primary_key, *fields)) if n in rows.columns]
        if not held_fields:
            return []
        personal = {f.name for f in self.one.fields if _is_personal(f)}
        found = self.table.ask(rows.select(held_fields).limit(self.examples))
        return [
            {n: REDACTED if n in personal and v is not None else _shown(v) for n, v in row.items()} for row in found
        ]

    def content(self) -> Part:
        """Columns that a closed contract does not list."""
        if extra := [c for c in self.bare.rows.columns if self.one.field(c) is None]:
            says = f"{len(extra)} columns are not in the contract, which is closed: {', '.join(extra[:5])}"
            return Part("columns listed", Fail(says), None, {"columns": extra[:100]})
        return Part("columns listed", Pass("there is no column that the contract does not list"))

    def key(self, key: Key) -> Part:
        if missing := [n for n in key.fields if n not in self.table.rows.columns]:
            return Part(key.name, Fail(f"there is no column {missing[0]!r}"))
        groups = self.groups(key.fields)
        found = self.table.ask(groups.aggregate(rows=groups["interlock_n"].sum()))[0]
        broken = int(found["rows"] or 0)
        verdict = judged(broken, self.rows, f"no two rows have the same {', '.join(key.fields)}")
        return self.told(key.name, broken, verdict, groups, key.fields)

    def groups(self, fields: tuple[str, ...]) -> Any:
        """Values of the key that several rows have."""
        rows = self.bare.rows
        whole = rows.filter(*(rows[n].notnull() for n in fields))
        counts = whole.group_by(list(fields)).aggregate(interlock_n=whole.count())
        return counts.filter(counts["interlock_n"] > 1)

    def rule_aggregates(self) -> Iterator[tuple[str, Any]]:
        """Rules that count rows, and the newest instant, join the one query."""
        for index, rule in enumerate(self.one.rules):
            column = self.column(rule.field)
            if column is None:
                continue
            if rule.metric in RULE_METRICS:
                yield f"r{index}", counted_by(rule, column).sum()
            elif rule.metric == "freshness_s":
                yield f"r{index}", column.max()

    def column(self, name: str) -> Any:
        if not name or name not in self.table.rows.columns:
            return None
        column, one = self.table.rows[name], self.one.field(name)
        return column if one is None else read(self.table, column, one.type)[0]

    def rule(self, index: int, rule: Rule) -> Part:
        name = f"rule {rule.name or rule.metric}{f' of {rule.field}' * bool(rule.field)}"
        measured, why = self.measured(index, rule)
        if why:
            return _aside(name, why) if rule.metric == "text" or rule.severity != "error" else _unasked(name, why)
        verdict = judged_rule(rule, measured, self.rows)
        return Part(name, verdict, None, {"measured": measured, "rows": self.rows, "severity": rule.severity})

    def measured(self, index: int, rule: Rule) -> tuple[float | None, str]:
        """The rule's metric, or why it cannot be asked here."""
        match rule.metric:
            case "row_count":
                return float(self.rows), ""
            case "duplicate_values":
                fields = tuple(str(v) for v in rule.arguments.get("properties", ())) or (rule.field,)
                if any(n not in self.table.rows.columns for n in fields):
                    return None, f"there is no column {', '.join(fields)}"
                groups = self.groups(fields)
                extra = (groups["interlock_n"] - 1).sum()
                found = self.table.ask(groups.aggregate(n=extra))[0]["n"]
                return float(found or 0), ""
            case "freshness_s":
                newest = self.counts.get(f"r{index}")
                return (self.age(newest), "") if newest is not None and self.now else (None, "nothing has a time")
            case "sql":
                return self.by_query(rule)
            case _ if f"r{index}" in self.counts:
                return float(self.counts[f"r{index}"] or 0), ""
            case _:
                return None, f"the metric {rule.metric!r} is not asked of tables"

    def age(self, newest: Any) -> float | None:
        """Seconds from the newest value until now."""
        if isinstance(newest, str):  # as SQLite has it, in the canonical form
            newest = datetime.datetime.fromisoformat(newest)
        if isinstance(newest, datetime.date) and not isinstance(newest, datetime.datetime):
            newest = datetime.datetime(newest.year, newest.month, newest.day)
        if not isinstance(newest, datetime.datetime) or self.now is None:
            return None
        instant = newest if newest.tzinfo else newest.replace(tzinfo=datetime.UTC)
        return (self.now - instant).total_seconds()

    def by_query(self, rule: Rule) -> tuple[float | None, str]:
        name = self.bare.rows.get_name()
        query = rule.query.replace("{object}", name).replace("{field}", rule.field)
        if refusal := only_reads(query, self.table.engine.dialect, {name}):
            return None, refusal
        try:
            row = self.table.engine.query(query)
        except Invalid as failed:
            return None, str(failed)
        if len(row) != 1 or len(row[0]) != 1:
            return None, "the query does not give one number"
        value = next(iter(row[0].values()))
        if value is None:
            return None, "the query gives null"
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None, f"the query gives {type(value).__name__}, which is no number"
        return (number, "") if math.isfinite(number) else (None, f"the query gives {number}")


def _named(check: RowCondition) -> str:
    return f"check {check.name}"


def _unasked(name: str, why: str) -> Part:
    """What the contract asks and this did not: the verdict of the whole is undecided at best."""
    return Part(name, Undecided(why, "a check that asks it"))


def _aside(name: str, why: str) -> Part:
    """What is told, and does not bear on the verdict of the whole."""
    return Part(name, Undecided(why, "a check that asks it"), None, {"is_asked": False})


def _is_personal(one: Field) -> bool:
    """Whether the field, or one inside it, is about a person."""
    inner = one.type.fields if isinstance(one.type, Struct) else ()
    return one.is_personal or any(map(_is_personal, inner))


def _shown(value: Any) -> Any:
    """A value for JSON; long ones are cut."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
