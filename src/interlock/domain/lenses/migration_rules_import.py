"""Migration rules as a draft of a lens: the rule that upgrades and the one that downgrades, read together.

A rule keeps some fields, makes others, and leaves some out; what the two rules say of a field becomes one op. Where
a rule computes, the lens computes in its own language, which knows types and null: that is told in a note, and a
person confirms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interlock.domain.lenses.expressions.write import quoted
from interlock.domain.lenses.guess import Entry, Guess
from interlock.domain.lenses.migration_rules_read import Node, RuleUnreadable, read_rule, unreadable
from interlock.domain.lenses.schedule import Group, scheduled
from interlock.domain.schemas.field import Field
from interlock.domain.schemas.scalars import double


@dataclass(frozen=True, slots=True)
class Transform:
    """What a rule does: `made` fields with their expressions; `dropped` ones; `keeps_rest`: others pass."""

    made: Mapping[str, Node] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    keeps_rest: bool = True


def lens_of(
    rules: Sequence[Mapping[str, Any]], older: tuple[Field, ...], newer: tuple[Field, ...]
) -> tuple[Entry, ...]:
    """The ops that the rules say. RuleUnreadable names the rule, the construct and its column."""
    there = _mode(rules, "UPGRADE")
    back = _mode(rules, "DOWNGRADE")
    if there is None:
        says = "no rule upgrades, so nothing says what becomes of a record"
        raise RuleUnreadable(says, remedy="Give a rule of mode UPGRADE or UPDOWN and type JSONATA.")
    return _Joined(there, back, older, newer).entries()


def _mode(rules: Sequence[Mapping[str, Any]], mode: str) -> Transform | None:
    """The rules of the mode, one after the other; only one may do something."""
    found = None
    for rule in rules:
        if rule.get("disabled") or rule.get("mode") not in (mode, "UPDOWN"):
            continue
        name = str(rule.get("name", "?"))
        if rule.get("kind", "TRANSFORM") != "TRANSFORM" or str(rule.get("type", "")).upper() != "JSONATA":
            says = f"rule {name!r} is a {rule.get('kind')} of type {rule.get('type')}"
            raise RuleUnreadable(says, remedy="Read are rules of kind TRANSFORM and type JSONATA.")
        if found is not None:
            raise RuleUnreadable(f"rule {name!r} is the second one of mode {mode}", remedy="Join them in one.")
        try:
            found = transform(read_rule(str(rule.get("expr", ""))))
            for node in found.made.values():
                if _height(node) > _MOST_LEVELS:  # a chain of so many operators, too
                    raise unreadable(f"it nests deeper than {_MOST_LEVELS}", node.column)
                _given(node)  # says what cannot be read while it is known which rule it is
        except RuleUnreadable as why:
            raise RuleUnreadable(f"rule {name!r}, {why.message}", remedy=why.remedy, **why.details) from None
    return found


def _height(node: Node) -> int:
    found, level = 0, [node]
    while level:
        found += 1
        level = [part for one in level for part in one.parts]
    return found


def transform(node: Node) -> Transform:
    """What the tree of a rule does to a record."""
    match node:
        case Node("record"):
            return Transform()
        case Node("object", names=names, parts=parts):
            return Transform(dict(zip(names, parts, strict=True)), keeps_rest=False)
        case Node("call", text="sift", parts=(Node("record"), Node("function") as keeps)):
            return Transform(dropped=frozenset(_dropped(keeps)))
        case Node("call", text="merge", parts=(Node("list", parts=parts),)):
            return _merged(parts)
        case Node("call", text=name):
            raise unreadable(f"${name} does not make a record here", node.column)
        case _:
            raise unreadable(f"{node.text or node.kind!r} does not make a record", node.column)


def _merged(parts: tuple[Node, ...]) -> Transform:
    """Later parts win, as in `$merge`."""
    made: dict[str, Node] = {}
    dropped: frozenset[str] = frozenset()
    keeps = False
    for place, part in enumerate(parts):
        one = transform(part)
        if one.keeps_rest and place:
            raise unreadable("the record stands behind other parts of $merge", part.column, "Write it first.")
        made, dropped, keeps = {**made, **one.made}, dropped | one.dropped, keeps or one.keeps_rest
    return Transform(made, dropped, keeps)


def _dropped(keeps: Node) -> Iterable[str]:
    """The keys that a function of value and key leaves out: `$k != 'a' and $k != 'b'`, `$not($k in ['a'])`."""
    key = keeps.names[1] if len(keeps.names) == 2 else "$k"
    pending = [keeps.parts[0]]
    while pending:
        match pending.pop():
            case Node("and", parts=parts):
                pending += parts
            case Node("!=", parts=(Node("variable", text=name), Node("text", text=left))) if name == key:
                yield left
            case Node("!=", parts=(Node("text", text=left), Node("variable", text=name))) if name == key:
                yield left
            case Node(
                "call",
                text="not",
                parts=(Node("in", parts=(Node("variable", text=name), Node("list", parts=listed))),),
            ) if name == key and all(one.kind == "text" for one in listed):
                yield from (one.text for one in listed)
            case other:
                raise unreadable("$sift is read with comparisons of the key with literals only", other.column)


@dataclass(slots=True)
class _Joined:
    """Both rules, and the fields of both versions; newer and older are empty where they are not known."""

    there: Transform
    back: Transform | None
    older: tuple[Field, ...]
    newer: tuple[Field, ...]

    def entries(self) -> tuple[Entry, ...]:
        left = [one.name for one in self.older]
        gone = set(self.there.dropped)
        if not self.there.keeps_rest:
            named = {node.text for node in self.there.made.values() if node.kind == "field"}
            gone |= set(left) - (named & set(self.there.made))
        groups: list[Group] = []
        made = dict(self.there.made)
        for name, node in self.there.made.items():
            if node.kind == "field" and node.text == name:
                del made[name]  # as it is
            elif node.kind == "field" and node.text in gone and self._is_back(node.text, name):
                groups.append(
                    Group((node.text,), (name,), (Entry({"rename": {"from": node.text, "to": name}}),), 1.0)
                )
                gone.discard(node.text)
                del made[name]
        for name, node in made.items():
            is_there = name in left and name not in gone
            groups.append(self._changed(name, node) if is_there or name in gone else self._added(name, node))
            gone.discard(name)
        groups += [self._dropped(name) for name in sorted(gone)]
        return _adds_first(groups, tuple(dict.fromkeys((*left, *gone))))

    def _is_back(self, older: str, newer: str) -> bool:
        """Whether the way back gives the field its old name, or nothing else."""
        node = self.back.made.get(older) if self.back else None
        return node is None or (node.kind == "field" and node.text == newer)

    def _added(self, name: str, node: Node) -> Group:
        body: dict[str, Any] = {"field": name, **_given(node)}
        return Group((), (name,), (Entry({"add": body}, _computed_note(body)),), 0.9)

    def _dropped(self, name: str) -> Group:
        node = self.back.made.get(name) if self.back else None
        body: dict[str, Any] = {"field": name, **(_given(node) if node is not None else {})}
        note = _computed_note(body)
        if node is None:
            note = Guess(0.5, ("no rule says what it is on the way back",))
        return Group((name,), (), (Entry({"drop": body}, note),), 0.5)

    def _changed(self, name: str, node: Node) -> Group:
        """A field that is computed anew under its own name."""
        back = self.back.made.get(name) if self.back else None
        if back is None:
            says = f"`{name}` is computed anew, and no rule says how it comes back"
            raise unreadable(says, node.column, "Give a DOWNGRADE rule that makes it.")
        body = {"field": name, "into": {name: formula(node)}, "merge": formula(back)}
        return Group((name,), (name,), (Entry({"split": body}, _computed_note(body)),), 0.8)


def _adds_first(groups: list[Group], names: tuple[str, ...]) -> tuple[Entry, ...]:
    """What is computed reads fields by the names that they have in the rule: additions first, renames then."""
    adds = [one for one in groups if not one.sources]
    rest = [one for one in groups if one.sources]
    moved = {name for one in rest for name in one.sources}
    clash = [one for one in adds if set(one.targets) & moved]
    ordered = [one for one in adds if one not in clash]
    first = tuple(entry for one in ordered for entry in one.entries)
    made = tuple(name for one in ordered for name in one.targets)
    return (*first, *scheduled((*rest, *clash), (*names, *made)))


def _computed_note(body: Mapping[str, Any]) -> Guess | None:
    if not {"value", "merge"} & set(body):
        return None
    return Guess(0.8, ("computed by the lens's own language: null where a field is null or of another type",))


def _given(node: Node) -> dict[str, Any]:
    """`default` for a literal, `value` for anything that is computed."""
    match node:
        case Node("text", text=text):
            return {"default": text}
        case Node("number"):
            return {"default": _number(node)}
        case Node("negative", parts=(Node("number") as inner,)):
            return {"default": -_given(inner)["default"]}
        case Node("word", text="true" | "false" as text):
            return {"default": text == "true"}
        case Node("word"):
            return {"default": None}
        case _:
            return {"value": formula(node)}


_SIGNS = {
    **{sign: sign for sign in ("+", "-", "*", "/", "<", "<=", ">", ">=", "=")},
    "!=": "<>",
    "&": "||",
    "and": "AND",
    "or": "OR",
}
_CALLS = {
    "uppercase": "upper",
    "lowercase": "lower",
    "length": "length",
    "abs": "abs",
    "floor": "floor",
    "ceil": "ceil",
    "contains": "contains",
    "replace": "replace",
}
_TAKES = {"contains": 2, "replace": 3}
_MOST_DIGITS = 15
_MOST_LEVELS = 200


def formula(node: Node) -> str:
    """The expression in the language of lenses. RuleUnreadable."""
    match node:
        case Node("number", text=text):
            return text
        case Node("text", text=text):
            return "'" + text.replace("'", "''") + "'"
        case Node("word", text=text):
            return "NULL" if text in ("null", "undefined") else text
        case Node("field", text=name):
            return quoted(name)
        case Node("negative", parts=(inner,)):
            return f"-({formula(inner)})"
        case Node("choice", parts=(condition, then, otherwise)):
            return f"CASE WHEN {formula(condition)} THEN {formula(then)} ELSE {formula(otherwise)} END"
        case Node("=" | "!=" as sign, parts=(one, Node("word", text="null"))):
            return f"({formula(one)} IS {'NOT ' if sign == '!=' else ''}NULL)"
        case Node("%", parts=(one, other)):
            return f"({formula(one)} % {formula(other)})"
        case Node(kind, parts=(one, other)) if kind in _SIGNS:
            return f"({formula(one)} {_SIGNS[kind]} {formula(other)})"
        case Node(
            "index", parts=(Node("call", text="split", parts=(one, Node("text") as sep)), Node("number") as at)
        ):
            return f"split_part({formula(one)}, {formula(sep)}, {_counted(at) + 1})"
        case Node("index", parts=(one, _)):
            raise unreadable("an index is read behind $split alone: $split(a, '-')[0]", one.column)
        case Node("call"):
            return _call(node)
        case _:
            raise unreadable(
                f"{node.text or node.kind!r} has no counterpart in the language of lenses", node.column
            )


def _counted(one: Node) -> int:
    """A number that counts parts of a text, or characters."""
    if not one.text.isdecimal() or len(one.text) > _MOST_DIGITS:
        says = f"{one.text[:_MOST_DIGITS]} counts neither parts of a text nor characters"
        raise unreadable(says, one.column, f"Write a whole number of at most {_MOST_DIGITS} digits.")
    return int(one.text)


def _number(one: Node) -> int | float:
    if (number := double(float(one.text))) is None:
        raise unreadable("the number is beyond the range of doubles", one.column)
    return int(one.text) if one.text.isdecimal() else number


def _call(node: Node) -> str:
    args = node.parts
    match node.text:
        case "not" if len(args) == 1:
            return f"(NOT {formula(args[0])})"
        case "exists" if len(args) == 1:
            return f"({formula(args[0])} IS NOT NULL)"
        case "string" if len(args) == 1:
            return f"CAST({formula(args[0])} AS TEXT)"
        case "number" if len(args) == 1:
            return f"CAST({formula(args[0])} AS INTEGER)"
        case "round" if len(args) == 1:
            return f"round_half_even({formula(args[0])})"
        case "substring" if len(args) == 3 and all(one.kind == "number" for one in args[1:]):
            start, length = map(_counted, args[1:])
            return f"substring({formula(args[0])}, {start + 1}, {length})"
        case name if name in _CALLS and len(args) == _TAKES.get(name, 1):
            return f"{_CALLS[name]}({', '.join(formula(one) for one in args)})"
        case name:
            known = ", ".join(f"${one}" for one in (*_CALLS, "not", "exists", "string", "number", "round"))
            says = f"${name} of {len(args)} arguments has no counterpart in the language of lenses"
            raise unreadable(says, node.column, f"There are: {known}, $substring and $split(...)[n].")
