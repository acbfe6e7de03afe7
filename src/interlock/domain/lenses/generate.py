"""A program as one Python function: what `apply.compile_program` does to a record, several times as fast.

The program is run once over expressions (`generated.walk`), for a given list of keys. What comes out is one
function that returns one dict display. Two things keep it equal to the reference on every record:

- The function first holds the keys of the record, in their order, against those that it was made for. Records that
  have other keys than the contract promises (optional ones, unknown ones, another order) get functions of their own
  once a list of keys has come several times, up to SHAPES of them; rare ones take the reference.
- Each value passes an exact test of type and range or goes through the reference's own step, and whatever raises
  (so every rejection) is run again by the reference from the beginning.

The contract's fields are hints about what is likely. No rule of meaning is stated here twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.domain.lenses.apply import Record, compile_program
from interlock.domain.lenses.flow import start
from interlock.domain.lenses.generated.source import Proven, Source, Value
from interlock.domain.lenses.generated.walk import Walk, moved
from interlock.domain.lenses.ops import Program
from interlock.domain.schemas.field import Field

Translate = Callable[[Mapping[str, Any]], Record]
SHAPES = 32
"""So many lists of keys get a function of their own, and twice as many where unknown fields may come."""
FAMILIAR = 4
"""A list of keys gets one when it has come so often."""
REMEMBERED = 256
"""So many lists of keys are counted before the counts start again."""


def translator(program: Program, fields: Sequence[Field], is_open: bool = True) -> Translate:
    """The program as a function of a record of the contract with `fields`; the record given is left alone.

    It returns and raises (Rejected) exactly as `compile_program(program)` does, whatever the record; records that
    keep the contract are fast. is_open: whether unknown fields may come.
    """
    return _Generated(program, fields, is_open).start()


class _Generated:
    """One program and the functions that were made of it. Threads may share it: they would only do work twice."""

    def __init__(self, program: Program, fields: Sequence[Field], is_open: bool) -> None:
        self.program = program
        self.known = moved(program, start(fields))
        self.reference = compile_program(program)
        self.promised = tuple(one.name for one in fields)
        self.shapes = SHAPES * (2 if is_open else 1)
        self.made: dict[tuple[str, ...], Translate] = {}
        self.seen: dict[tuple[str, ...], int] = {}

    def start(self) -> Translate:
        """The function for all fields of the contract in their order; others are made as they are met."""
        return self.function(self.promised, self.careful, is_hopeful=True) or self.unfamiliar

    def careful(self, record: Mapping[str, Any]) -> Record:
        """A record that is not as was hoped: its values are tested one by one before the reference has it."""
        if tuple(record) != self.promised:
            return self.unfamiliar(record)
        if self.promised not in self.made:
            self.made[self.promised] = self.function(self.promised, self.reference) or self.reference
        return self.made[self.promised](record)

    def unfamiliar(self, record: Mapping[str, Any]) -> Record:
        """Any record: by a function for its keys where there is one, and by the reference."""
        keys = tuple(record)
        run = self.made.get(keys)
        if run is not None:
            return run(record)
        if len(self.made) < self.shapes:
            if len(self.seen) >= REMEMBERED:
                self.seen = {}
            count = self.seen[keys] = self.seen.get(keys, 0) + 1
            if count == FAMILIAR:
                self.made[keys] = self.function(keys, self.reference) or self.reference
        return self.reference(record)

    def function(self, keys: tuple[str, ...], otherwise: Translate, is_hopeful: bool = False) -> Translate | None:
        """The function for records with these keys, which gives all that is unexpected to `otherwise`."""
        if not keys or not all(type(key) is str for key in keys):
            return None
        walk = Walk(translator, Source(is_hopeful=is_hopeful))
        names = [f"r{n}" for n in range(len(keys))]
        there = {key: Value(name, is_atom=True) for key, name in zip(keys, names, strict=True)}
        body = walk.body(self.program, there, self.known)
        prologue = (
            f"if [*record] != {walk.source.bind(list(keys))}: return {walk.source.bind(otherwise)}(record)",
            f"{''.join(f'{name}, ' for name in names)}= record.values()",
        )
        return made(walk.source, (*prologue, *body.splitlines()), otherwise)


@dataclass(frozen=True, slots=True)
class Use:
    """What a program does with a field: whether an op looks at its value, whether it leaves as it came."""

    is_looked_at: bool
    is_passed_on: bool


def uses(program: Program, fields: Sequence[Field]) -> Mapping[str, Use]:
    """What `program` does with each field of a record that has all of them."""
    source, body = _opened(program, fields, {})
    words = {*_WORD.findall(body)}
    return {one.name: Use(f"r{n}" in source.looked_at, f"q{n}" in words) for n, one in enumerate(fields)}


def opened_translator(
    program: Program,
    fields: Sequence[Field],
    proven: Mapping[str, Proven],
    opening: Mapping[str, Callable[[Any], Any]],
    is_mapping: bool = False,
) -> Callable[[Any], Record] | None:
    """The program as a function of something that holds the values of all fields: an object in its attributes f0,
    f1, and so on, or a mapping in the order of the fields.

    proven: the types that are certain, null aside where the field is nullable. opening: makes the value of what
    stands for it in the record; where the value leaves as it came, that is passed on. The function raises whatever
    comes (Unexpected, KeyError) for what it cannot translate, rejections included. None when it cannot be made.
    """
    source, body = _opened(program, fields, proven)
    words, lines = {*_WORD.findall(body)}, []
    if is_mapping and fields:
        lines.append(f"{''.join(f'q{n}, ' for n in range(len(fields)))}= record.values()")
    for n, one in enumerate(fields):
        is_looked_at = f"r{n}" in source.looked_at  # and opened, even where the text then has no need of the value
        is_needed = is_looked_at or f"q{n}" in words
        if is_needed and not is_mapping:
            lines.append(f"q{n} = record.f{n}")
        if is_looked_at:
            lines.append(
                f"r{n} = {source.bind(opening[one.name])}(q{n})" if one.name in opening else f"r{n} = q{n}"
            )
    return made(source, (*lines, *body.splitlines()), None)


_WORD = re.compile(r"\b[rq][0-9]+\b")


def _opened(program: Program, fields: Sequence[Field], proven: Mapping[str, Proven]) -> tuple[Source, str]:
    source = Source(is_hopeful=True)
    there = {
        one.name: Value(
            f"r{n}",
            proven.get(one.name, ""),
            one.nullable or one.name not in proven,
            is_atom=True,
            untouched=f"q{n}",
        )
        for n, one in enumerate(fields)
    }
    return source, Walk(translator, source).body(program, there, moved(program, start(fields)))


def made(
    source: Source, lines: Iterable[str], otherwise: Callable[[Any], Any] | None
) -> Callable[[Any], Any] | None:
    """A function of one argument, `record`. What it raises is left to `otherwise`, if there is one, and forgotten
    before, because the text of an exception may hold a value.

    None when the program is too deep for Python's compiler.
    """
    if otherwise is None:
        text = f"def run(record):\n{_indented(lines, 4)}\n"
    else:
        tried = f"    try:\n{_indented(lines, 8)}\n    except Exception:\n        pass"
        text = f"def run(record):\n{tried}\n    return otherwise(record)\n"
    space: dict[str, Any] = {**source.bound, "otherwise": otherwise}
    try:
        exec(compile(text, "<lens>", "exec"), space)
    except (SyntaxError, RecursionError, MemoryError):
        return None
    run: Callable[[Any], Any] = space["run"]
    return run


def _indented(lines: Iterable[str], width: int) -> str:
    return "\n".join(" " * width + line for line in lines)
