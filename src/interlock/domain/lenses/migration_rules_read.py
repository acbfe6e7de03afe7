"""The part of JSONata (docs.jsonata.org) that lenses can say, read into a small tree; the rest is refused by name.

Read are: object constructors with literal keys, `$merge([...])`, `$sift($, function($v, $k) {$k != 'a'})`, fields
(`a`, `$.a`, `$.'a'`), literals, arithmetic, `&`, comparisons, `and`, `or`, `? :`, and some functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from interlock.kernel.errors import Invalid

MAX_LENGTH = 100_000
_MAX_DEPTH = 60


class RuleUnreadable(Invalid):
    """A rule says what no lens can say; `column` is where, from 1."""

    code = "lens.rule_unreadable"


@dataclass(frozen=True, slots=True)
class Node:
    """kind: `number`, `text`, `word` (true, false, null), `field` (text is its name), `record` (`$`), `variable`,
    `object` (keys of `names`, values of `parts`), `list`, `call` (text is the function), `function` (names are its
    parameters, parts its body), `index`, `choice`, or an operator.
    """

    kind: str
    column: int
    text: str = ""
    parts: tuple[Node, ...] = ()
    names: tuple[str, ...] = ()


_TOKEN = re.compile(
    r"""\s*(?:/\*.*?\*/\s*)*(?:
    (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<quoted>`[^`]*`)
    |(?P<variable>\$[A-Za-z_][A-Za-z0-9_]*|\$\$?)
    |(?P<word>[^\W\d][\w]*)
    |(?P<sign>:=|!=|<=|>=|~>|\*\*|\.\.|[-+*/%&=<>?:,;.(){}\[\]|^@\#!~])
    )""",
    re.VERBOSE | re.DOTALL,
)
_BINDS: Final[Mapping[str, int]] = {
    "or": 2,
    "and": 3,
    **dict.fromkeys(("=", "!=", "<", "<=", ">", ">=", "in"), 4),
    **dict.fromkeys(("+", "-", "&"), 5),
    **dict.fromkeys(("*", "/", "%"), 6),
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


def read_rule(text: str) -> Node:
    """The tree of an expression. RuleUnreadable."""
    if len(text) > MAX_LENGTH:
        raise RuleUnreadable(f"the expression has {len(text):,} characters", remedy=f"Use at most {MAX_LENGTH:,}.")
    reader = _Reader(_tokens(text))
    found = reader.expression(0)
    if reader.here.kind != "end":
        raise unreadable(f"{reader.here.text!r} is not expected here", reader.here.column)
    return found


def unreadable(says: str, column: int, remedy: str = "Write the lens by hand for it.") -> RuleUnreadable:
    return RuleUnreadable(f"column {column}: {says}", remedy=remedy, column=column)


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise unreadable(f"{text[place : place + 12].strip()!r} cannot be read", place + 1)
        kind = match.lastgroup
        found.append(_Token(kind, match[kind], match.start(kind) + 1))
        place = match.end()
    return [*found, _Token("end", "", len(text) + 1)]


class _Reader:
    """Operator precedence parsing (Pratt 1973)."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    @property
    def here(self) -> _Token:
        return self._tokens[self._place]

    def take(self, text: str = "") -> _Token:
        token = self.here
        if text and token.text != text:
            raise unreadable(f"{text!r} is expected, not {token.text or 'the end'!r}", token.column)
        self._place += token.kind != "end"
        return token

    def expression(self, least: int) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise unreadable(f"it nests deeper than {_MAX_DEPTH}", self.here.column)
        left = self.postfixed(self.primary())
        while _BINDS.get(self.here.text, 0) > least and self.here.kind in ("sign", "word"):
            sign = self.take()
            left = Node(sign.text, sign.column, parts=(left, self.expression(_BINDS[sign.text])))
        if least == 0 and self.here.text == "?":
            left = self.choice(left)
        self._depth -= 1
        return left

    def choice(self, condition: Node) -> Node:
        at = self.take("?").column
        then = self.expression(0)
        otherwise = Node("word", at, "undefined")
        if self.here.text == ":":
            self.take()
            otherwise = self.expression(0)
        return Node("choice", at, parts=(condition, then, otherwise))

    def postfixed(self, one: Node) -> Node:
        while self.here.kind == "sign" and self.here.text in (".", "["):
            sign = self.take()
            if sign.text == "[":
                one = Node("index", sign.column, parts=(one, self.expression(0)))
                self.take("]")
                continue
            name = self.take()
            if one.kind != "record" or name.kind not in ("text", "quoted", "word"):
                says = "only `$.name` is read of paths, not what is inside of objects"
                raise unreadable(says, sign.column, "Unnest the object first, in a lens of your own.")
            one = Node("field", name.column, _name(name))
        return one

    def primary(self) -> Node:
        token = self.take()
        match token.kind:
            case "number":
                return Node("number", token.column, token.text)
            case "text":
                return Node("text", token.column, _text(token))
            case "quoted":
                return Node("field", token.column, _name(token))
            case "variable":
                return self.variable(token)
            case "word" if token.text in ("true", "false", "null"):
                return Node("word", token.column, token.text)
            case "word" if token.text == "function" and self.here.text == "(":
                return self.function(token)
            case "word":
                return Node("field", token.column, token.text)
            case "end":
                raise unreadable("it ends too early", token.column)
            case _:
                return self.bracketed(token)

    def variable(self, token: _Token) -> Node:
        if token.text == "$":
            return Node("record", token.column)
        if self.here.text != "(":
            return Node("variable", token.column, token.text)
        self.take("(")
        return Node("call", token.column, token.text[1:], self.listed(")"))

    def function(self, token: _Token) -> Node:
        self.take("(")
        names = tuple(one.text for one in self.listed(")"))
        self.take("{")
        body = self.expression(0)
        self.take("}")
        return Node("function", token.column, parts=(body,), names=names)

    def bracketed(self, token: _Token) -> Node:
        match token.text:
            case "(":
                inner = self.expression(0)
                if self.here.text in (";", ":="):
                    raise unreadable("blocks with variables are not read", self.here.column)
                self.take(")")
                return inner
            case "[":
                return Node("list", token.column, parts=self.listed("]"))
            case "{":
                return self.object(token)
            case "-":
                return Node("negative", token.column, parts=(self.expression(6),))
            case _:
                raise unreadable(f"{token.text!r} is no part of what is read", token.column)

    def object(self, token: _Token) -> Node:
        names: list[str] = []
        values: list[Node] = []
        while self.here.text != "}":
            if names:
                self.take(",")
            key = self.take()
            if key.kind != "text":
                raise unreadable("keys of objects are read as literal text only", key.column)
            self.take(":")
            names.append(_text(key))
            values.append(self.expression(0))
        self.take("}")
        return Node("object", token.column, parts=tuple(values), names=tuple(names))

    def listed(self, end: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while self.here.text != end or self.here.kind == "end":
            if found:
                self.take(",")
            found.append(self.expression(0))
        self.take(end)
        return tuple(found)


def _name(token: _Token) -> str:
    return token.text[1:-1] if token.kind == "quoted" else _text(token) if token.kind == "text" else token.text


def _text(token: _Token) -> str:
    """The text of a literal: JSON's escapes, in either kind of quotes."""
    inner = token.text[1:-1]
    if token.text[0] == "'":
        inner = re.sub(r'\\.|"', lambda m: {'"': '\\"', "\\'": "'"}.get(m[0], m[0]), inner)
    try:
        return str(json.loads(f'"{inner}"', strict=False))
    except ValueError:
        raise unreadable("the text has an escape that JSON does not have", token.column) from None
