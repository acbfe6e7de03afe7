"""Patterns without a backtracking matcher: does one match a text, does one include another. Time is bounded.

A subset is understood: literals, classes, `.`, \\d \\w \\s and their negations, groups, alternatives,
quantifiers, and the anchors at the ends. Everything else (look-around, back references, \\b, \\p, non-ASCII
letters) answers None: not known. ECMA-262 and Python read some of it differently (`$` before a last newline,
non-ASCII digits), and validators use either, so every question is asked under both readings, and answered only
when they agree.

Characters are bits: 128 for ASCII, then one for each kind of other character. A pattern is a nondeterministic
automaton (Thompson, 1968) whose sets of states are followed together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

_DIGITS, _WORDS, _SPACES, _LINES, _OTHERS = (1 << bit for bit in range(128, 133))
_ALL = (1 << 133) - 1
_LONGEST = 1000
_MOST_STATES = 4000
_MOST_PAIRS = 4000
_DEEPEST = 40


class Reading(Enum):
    """Whose regular expressions."""

    ECMA = "ecma"
    PYTHON = "python"


class _Unknown(Exception):
    """Beyond the subset, or too large."""


def _bits(characters: str) -> int:
    mask = 0
    for character in characters:
        mask |= 1 << ord(character)
    return mask


_ASCII_DIGITS = _bits("0123456789")
_ASCII_WORDS = _bits("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_CONTROL = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}


def _class(letter: str, reading: Reading) -> int:
    """\\d, \\w or \\s, and in capitals all others."""
    ecma = reading is Reading.ECMA
    mask = {
        "d": _ASCII_DIGITS | (0 if ecma else _DIGITS),
        "w": _ASCII_WORDS | (0 if ecma else _DIGITS | _WORDS),
        "s": _bits("\t\n\v\f\r ") | _SPACES | _LINES | (0 if ecma else _bits("\x1c\x1d\x1e\x1f")),
    }[letter.lower()]
    return _ALL & ~mask if letter.isupper() else mask


def _bit(character: str) -> int:
    """The bit of a character in a text."""
    if character.isascii():
        return 1 << ord(character)
    if character in "\u2028\u2029":
        return _LINES
    if character in "\ufeff\x85":
        raise _Unknown
    if character.isspace():
        return _SPACES
    if character.isdecimal():
        return _DIGITS
    return _WORDS if character.isalnum() else _OTHERS


@dataclass(slots=True)
class _Automaton:
    """State 0 is the start. `steps[s]` are (mask, next state), `free[s]` the states reached without a character."""

    steps: list[list[tuple[int, int]]] = field(default_factory=lambda: [[]])
    free: list[list[int]] = field(default_factory=lambda: [[]])
    accepting: set[int] = field(default_factory=set)

    def state(self) -> int:
        if len(self.steps) >= _MOST_STATES:
            raise _Unknown
        self.steps.append([])
        self.free.append([])
        return len(self.steps) - 1

    def closed(self, states: Iterator[int]) -> frozenset[int]:
        reached, stack = set(), list(states)
        while stack:
            state = stack.pop()
            if state not in reached:
                reached.add(state)
                stack.extend(self.free[state])
        return frozenset(reached)

    def start(self) -> frozenset[int]:
        return self.closed(iter((0,)))

    def after(self, states: frozenset[int], bit: int) -> frozenset[int]:
        return self.closed(target for state in states for mask, target in self.steps[state] if mask & bit)

    def accepts(self, states: frozenset[int]) -> bool:
        return not self.accepting.isdisjoint(states)


class _Parser:
    """Recursive descent over a pattern, at most 40 groups deep; builds the automaton of a search."""

    def __init__(self, pattern: str, reading: Reading) -> None:
        if len(pattern) > _LONGEST or not pattern.isascii():
            raise _Unknown
        self.pattern, self.reading = pattern, reading
        self.at = 0
        self.automaton = _Automaton()

    def search(self) -> _Automaton:
        """Texts in which the pattern is found somewhere."""
        machine = self.automaton
        end = machine.state()
        machine.accepting.add(end)
        while True:
            start = machine.state()
            machine.free[0].append(start)
            if self.take("^"):
                pass
            else:
                machine.steps[start].append((_ALL, start))
            last = self.sequence(start, 0)
            if self.take("$"):
                if self.reading is Reading.PYTHON:
                    machine.steps[last].append((1 << 10, end))
            else:
                machine.steps[last].append((_ALL, last))
            machine.free[last].append(end)
            if not self.take("|"):
                break
        if self.at < len(self.pattern):
            raise _Unknown
        return machine

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self, text: str) -> bool:
        if self.pattern.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def alternatives(self, start: int, depth: int) -> int:
        if depth > _DEEPEST:
            raise _Unknown
        machine, end = self.automaton, self.automaton.state()
        while True:
            begin = machine.state()
            machine.free[start].append(begin)
            machine.free[self.sequence(begin, depth)].append(end)
            if not self.take("|"):
                return end

    def sequence(self, start: int, depth: int) -> int:
        last = start
        while (character := self.peek()) and character not in "|)$":
            last = self.repeated(last, depth)
        return last

    def repeated(self, start: int, depth: int) -> int:
        """One atom with its quantifier. Copies of the atom are made by parsing its text again."""
        machine, begin = self.automaton, self.at
        inner = machine.state()
        machine.free[start].append(inner)
        last = self.atom(inner, depth)
        after_atom = self.at
        least, most = self.quantifier()
        resume = self.at
        self.take("?")
        resume = self.at
        if (least, most) == (1, 1):
            return last
        if self.peek() and self.peek() in "*+?{":
            raise _Unknown
        ends = [start] if least == 0 else []
        if least <= 1:
            ends.append(last)
        for copy in range(2, (most or max(least, 1)) + 1):
            self.at = begin
            inner = machine.state()
            machine.free[last].append(inner)
            last = self.atom(inner, depth)
            assert self.at == after_atom
            if copy >= least:
                ends.append(last)
        if most == 0:
            ends = [start]
        elif most is None:
            machine.free[last].append(inner)
            ends.append(last)
        self.at = resume
        end = machine.state()
        for state in ends:
            machine.free[state].append(end)
        return end

    def quantifier(self) -> tuple[int, int | None]:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.take(sign):
                return bounds
        if not self.take("{"):
            return 1, 1
        close = self.pattern.find("}", self.at)
        low, comma, high = self.pattern[self.at : close].partition(",")
        if close < 0 or not low.isdigit() or (high and not high.isdigit()):
            raise _Unknown
        self.at = close + 1
        least = int(low)
        most = (int(high) if high else None) if comma else least
        if least > _LONGEST or (most is not None and (most > _LONGEST or most < least)):
            raise _Unknown
        return least, most

    def atom(self, start: int, depth: int) -> int:
        if self.take("("):
            if self.peek() == "?" and not self.take("?:"):
                raise _Unknown
            end = self.alternatives(start, depth + 1)
            if not self.take(")"):
                raise _Unknown
            return end
        mask = self.mask()
        end = self.automaton.state()
        self.automaton.steps[start].append((mask, end))
        return end

    def mask(self) -> int:
        character = self.peek()
        self.at += 1
        match character:
            case ".":
                ecma = self.reading is Reading.ECMA
                return _ALL & ~(_bits("\n\r") | _LINES if ecma else _bits("\n"))
            case "[":
                return self.bracket()
            case "\\":
                return self.escape()
            case "^" | "*" | "+" | "?" | "{" | "}" | "]" | "":
                raise _Unknown
            case _:
                return 1 << ord(character)

    def escape(self) -> int:
        letter = self.peek()
        self.at += 1
        if letter and letter in "dDwWsS":
            return _class(letter, self.reading)
        if letter in _CONTROL:
            return 1 << _CONTROL[letter]
        if not letter or letter.isalnum():
            raise _Unknown
        return 1 << ord(letter)

    def bracket(self) -> int:
        is_negated = self.take("^")
        mask, first = 0, True
        while not self.take("]"):
            low = self.member()
            if first and low is None:
                raise _Unknown
            first = False
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self.member()
                if low is None or high is None or low.bit_count() != 1 or high.bit_count() != 1 or high < low:
                    raise _Unknown
                mask |= (high << 1) - low
            else:
                mask |= low or 0
        return _ALL & ~mask if is_negated else mask

    def member(self) -> int | None:
        character = self.peek()
        self.at += 1
        if not character or character in "[&~|" or (character == "-" and self.peek() == "-"):
            raise _Unknown  # set operations of some engines, or unfinished
        return self.escape() if character == "\\" else 1 << ord(character)


@lru_cache(maxsize=2048)
def _automaton(pattern: str, reading: Reading) -> _Automaton | None:
    try:
        return _Parser(pattern, reading).search()
    except _Unknown:
        return None


def matches(pattern: str, text: str) -> bool | None:
    """Whether the pattern is found in the text, or None when that is not known."""
    answers = {_matches(pattern, text, reading) for reading in Reading}
    return answers.pop() if len(answers) == 1 else None


def _matches(pattern: str, text: str, reading: Reading) -> bool | None:
    machine = _automaton(pattern, reading)
    if machine is None or len(text) > _LONGEST:
        return None
    states = machine.start()
    try:
        for character in text:
            states = machine.after(states, _bit(character))
    except _Unknown:
        return None
    return machine.accepts(states)


@lru_cache(maxsize=4096)
def includes(outer: str, inner: str) -> bool | None:
    """Whether `outer` is found in every text in which `inner` is found, or None when that is not known."""
    if outer == inner:
        return True
    return _agreed(outer, inner, is_overlap=False)


@lru_cache(maxsize=4096)
def disjoint(one: str, other: str) -> bool | None:
    """Whether no text matches both, or None when that is not known."""
    return _agreed(one, other, is_overlap=True)


def _agreed(one: str, other: str, *, is_overlap: bool) -> bool | None:
    answers = {_product(one, other, reading, is_overlap) for reading in Reading}
    return answers.pop() if len(answers) == 1 else None


def _product(outer: str, inner: str, reading: Reading, is_overlap: bool) -> bool | None:
    """Walk both automata together over every kind of text; False as soon as a text speaks against it."""
    first, second = _automaton(outer, reading), _automaton(inner, reading)
    if first is None or second is None:
        return None
    alphabet = _alphabet(first, second)
    pending = [(first.start(), second.start())]
    seen = set(pending)
    while pending:
        in_first, in_second = pending.pop()
        if second.accepts(in_second) and first.accepts(in_first) == is_overlap:
            return False
        for bit in alphabet:
            pair = (first.after(in_first, bit), second.after(in_second, bit))
            if pair[1] and pair not in seen and (pair[0] or not is_overlap):
                if len(seen) >= _MOST_PAIRS:
                    return None
                seen.add(pair)
                pending.append(pair)
    return True


def _alphabet(*machines: _Automaton) -> list[int]:
    """One character of each kind that the automata tell apart."""
    kinds = [_ALL]
    for mask in {mask for machine in machines for steps in machine.steps for mask, _ in steps}:
        kinds = [part for kind in kinds for part in (kind & mask, kind & ~mask) if part]
    return [kind & -kind for kind in kinds]
