"""How alike two names of fields are: words, abbreviations, initials, and units that names carry.

Names are cut into words at underscores, dots, dashes and changes of case. A word stands for another when it begins
like it and its letters come in the same order (`dep`, `departure`; `qty`, `quantity`), or when they nearly are the
same letters. Nothing here is certain: likeness is from 0 to 1, and a person confirms what is made of it.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache

from interlock.domain.lenses.assignment import assigned
from interlock.domain.lenses.units import KNOWN_UNITS

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_]+")
_UNIT_WORDS = {
    "us": "us",
    "micros": "us",
    "ms": "ms",
    "millis": "ms",
    "s": "s",
    "sec": "s",
    "secs": "s",
    "seconds": "s",
    "min": "min",
    "mins": "min",
    "minutes": "min",
    "h": "h",
    "hours": "h",
    "days": "d",
    "mm": "mm",
    "cm": "cm",
    "m": "m",
    "meters": "m",
    "metres": "m",
    "km": "km",
    "mi": "[mi_i]",
    "miles": "[mi_i]",
    "ft": "[ft_i]",
    "feet": "[ft_i]",
    "inches": "[in_i]",
    "kmh": "km/h",
    "kph": "km/h",
    "mph": "[mi_i]/h",
    "knots": "[kn_i]",
    "celsius": "Cel",
    "fahrenheit": "[degF]",
    "kelvin": "K",
    "g": "g",
    "kg": "kg",
    "lb": "[lb_av]",
    "lbs": "[lb_av]",
    "pct": "%",
    "percent": "%",
    "ratio": "1",
    "fraction": "1",
}
_ABBREVIATED, _SPELLED = 0.85, 0.8
_NEARLY = 0.8
_EMPTY = frozenset(("the", "of", "in", "value", "field", "is", "has"))


@lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case."""
    return tuple(word.lower() for word in _WORD.findall(name))


def unit_in(name: str) -> str:
    """The UCUM unit that the last word of a name tells (`delay_ms`); empty when it tells none."""
    found = words(name)
    unit = _UNIT_WORDS.get(found[-1], "") if len(found) > 1 else ""
    return unit if unit in KNOWN_UNITS else ""


@lru_cache(maxsize=65536)
def alike(one: str, other: str) -> float:
    """How alike two names are, from 0 to 1; 1 when their words are the same."""
    left, right = _telling(one), _telling(other)
    if left == right:
        return 1.0
    joined = _word_alike("".join(left), "".join(right))
    return max(_by_words(left, right), 0.9 * joined, _initials(words(one), words(other)))


def _telling(name: str) -> tuple[str, ...]:
    """The words without a unit at the end and without those that tell nothing, unless nothing else is left."""
    found = words(name)
    kept = found[:-1] if unit_in(name) else found
    return tuple(word for word in kept if word not in _EMPTY) or found


def _by_words(left: tuple[str, ...], right: tuple[str, ...]) -> float:
    """Words in pairs; a word that has none counts against it, less so when the other name has said all it says."""
    if not left or not right:
        return 0.0
    pairs = {
        (i, j): score
        for i, a in enumerate(left)
        for j, b in enumerate(right)
        if (score := _word_alike(a, b)) >= _NEARLY
    }
    total = sum(pairs[pair] for pair in assigned(pairs))
    shorter, both = min(len(left), len(right)), len(left) + len(right)
    return max(2 * total / both, 0.75 * total / shorter if total >= shorter * _NEARLY else 0.0)


@lru_cache(maxsize=65536)
def _word_alike(one: str, other: str) -> float:
    if one == other:
        return 1.0
    short, long = sorted((one, other), key=len)
    if long in (f"{short}s", f"{short}es"):
        return 0.95
    if len(short) >= 3 and long.startswith(short):
        return _ABBREVIATED
    if len(short) >= 3 and len(long) > len(short) and short[0] == long[0] and _is_within(short, long):
        return _SPELLED
    ratio = SequenceMatcher(None, short, long, autojunk=False).ratio()
    return ratio if ratio >= _NEARLY and len(short) >= 4 else 0.0


def _is_within(short: str, long: str) -> bool:
    """Whether the letters of `short` come in `long`, in order."""
    letters = iter(long)
    return all(letter in letters for letter in short)


def _initials(left: tuple[str, ...], right: tuple[str, ...]) -> float:
    """`dob` and `date_of_birth`."""
    short, long = sorted((left, right), key=len)
    is_so = len(short) == 1 and len(long) >= 2 and short[0] == "".join(word[0] for word in long)
    return _ABBREVIATED if is_so and len(short[0]) >= 2 else 0.0
