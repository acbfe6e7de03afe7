"""YAML with line numbers: every value knows where it is written, and a bad file yields findings, never a crash.

Scalars follow the YAML 1.2 core schema, which editors follow too: `no` and `2026-05-01` are text, not a
boolean and a date. Each scalar also keeps its source text, so that a version written as `1.0` stays `1.0`.

Limits: UTF-8, MAX_BYTES per file, MAX_DEPTH levels, MAX_NODES values per document after aliases are expanded
(an alias costs as much as what it repeats). No tags but the standard ones, no merge keys.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from interlock.kernel.finding import Finding, Severity

MAX_BYTES: Final = 1_048_576
MAX_DEPTH: Final = 40
MAX_NODES: Final = 100_000

Path = tuple[str | int, ...]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STANDARD = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset({"!", _STANDARD + "str"})
_PLAIN_TAGS = frozenset(_STANDARD + name for name in ("int", "float", "bool", "null", "seq", "map"))
_WORDS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """`text` is what the author typed (quotes and folding undone), `value` what it means."""

    line: int
    text: str
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ListNode:
    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapNode:
    """`entries`: key -> (line of the key, value)."""

    line: int
    entries: Mapping[str, tuple[int, Node]]


Node = ScalarNode | ListNode | MapNode


@dataclass(frozen=True, slots=True)
class Located:
    """One YAML document of `file`."""

    file: str
    root: Node

    def plain(self, schema: Mapping[str, Any] | None = None) -> Any:
        """The document as plain data. Where `schema` (a JSON Schema) wants text, an unquoted number or boolean
        is the text that its author typed: `to: 2` is "2", `version: 1.0` is "1.0".
        """
        return _plain(self.root, schema or {}, schema or {})

    def locate(self, path: Path = ()) -> str:
        """`file:line` of the value at `path`, or of its nearest parent that is written down."""
        node, line = self.root, self.root.line
        for step in path:
            match node, step:
                case MapNode(entries=entries), str() if step in entries:
                    line, node = entries[step]
                case ListNode(items=items), int() if 0 <= step < len(items):
                    node = items[step]
                    line = node.line
                case _:
                    break
        return f"{self.file}:{line}"


def read_documents(content: bytes, file: str) -> tuple[list[Located], list[Finding]]:
    """The documents of `content`, and what is wrong with it. What stands before a syntax error is kept."""
    findings: list[Finding] = []
    if len(content) > MAX_BYTES:
        says = f"the file has {len(content):,} bytes; declarations may have {MAX_BYTES:,}."
        return [], [_finding("yaml.too_large", says, "Split it into several files.", f"{file}:1:1")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = _where_after(content[: error.start], file)
        says = f"byte 0x{content[error.start]:02x} is not UTF-8."
        return [], [_finding("yaml.encoding", says, "Save the file as UTF-8.", where)]
    documents: list[Located] = []
    try:
        documents.extend(Located(file, root) for root in _Composer(file, text, findings).documents())
    except _Unreadable as stop:
        findings.append(stop.finding)
    except yaml.YAMLError as error:
        findings.append(_syntax_finding(error, file, text))
    return documents, findings


def _plain(node: Node, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """`schema` may refer to a definition of the `root` schema."""
    if isinstance(name := schema.get("$ref"), str):
        schema = _as_schema(root.get("$defs", {}).get(name.removeprefix("#/$defs/")))
    match node:
        case ScalarNode(text=text, value=value):
            return text if value is not None and _wants_text(schema) else value
        case ListNode(items=items):
            inner = _as_schema(schema.get("items"))
            return [_plain(item, inner, root) for item in items]
        case MapNode(entries=entries):
            known = schema.get("properties", {})
            other = _as_schema(schema.get("additionalProperties"))
            return {key: _plain(value, known.get(key, other), root) for key, (_, value) in entries.items()}


def _height(node: Node) -> int:
    """Levels below `node`."""
    match node:
        case ScalarNode():
            return 0
        case ListNode(items=items):
            return 1 + max(map(_height, items), default=0)
        case MapNode(entries=entries):
            return 1 + max((_height(value) for _, value in entries.values()), default=0)


def _as_schema(keyword: Any) -> Mapping[str, Any]:
    return keyword if isinstance(keyword, Mapping) else {}


def _wants_text(schema: Mapping[str, Any]) -> bool:
    """A pattern speaks about text, so a field that has one is text even when editors may see a number."""
    return schema.get("type") == "string" or "pattern" in schema


def _meaning(text: str) -> str | int | float | bool | None:
    """What a plain scalar means; numbers that no float or 18-digit integer holds stay text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


class _Unreadable(Exception):
    """Reading of this file stops here."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.says)
        self.finding = finding


@dataclass(slots=True)
class _Composer:
    """Builds nodes from parser events.

    anchors: name -> (node, its size, its height), None while it is still open.
    """

    file: str
    text: str
    findings: list[Finding]
    size: int = 0
    anchors: dict[str, tuple[Node, int, int] | None] = field(default_factory=dict)
    events: Iterator[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.events = yaml.parse(self.text, Loader=_Loader)

    def documents(self) -> Iterator[Node]:
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                self.size, self.anchors = 0, {}
                yield self.compose(next(self.events), 0)

    def compose(self, event: Any, depth: int) -> Node:
        """The node that begins with `event`."""
        if isinstance(event, yaml.AliasEvent):
            return self.repeat(event, depth)
        self.check_depth(depth, event)
        self.check_tag(event)
        before = self.size
        self.count(1, event)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        node = self.content(event, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (node, self.size - before, _height(node))
        return node

    def content(self, event: Any, depth: int) -> Node:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            is_text = bool(event.style) or event.tag in _TEXT_TAGS
            return ScalarNode(line, event.value, event.value if is_text else _meaning(event.value))
        if isinstance(event, yaml.SequenceStartEvent):
            return ListNode(line, tuple(self.items(depth)))
        return MapNode(line, self.entries(depth))

    def items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            yield self.compose(event, depth + 1)

    def entries(self, depth: int) -> dict[str, tuple[int, Node]]:
        """The first of two equal keys counts; the second is a finding."""
        found: dict[str, tuple[int, Node]] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.compose(event, depth + 1)
            value = self.compose(next(self.events), depth + 1)
            if not isinstance(key, ScalarNode):
                self.report("yaml.key", event, "a key is a list or a mapping.", "Use a word as the key.")
            elif key.text in found:
                says = f"the key {_quoted(key.text)} is there already, in line {found[key.text][0]}."
                self.report("yaml.duplicate_key", event, says, "Remove one of the two.")
            else:
                found[key.text] = (key.line, value)
        return found

    def repeat(self, event: Any, depth: int) -> Node:
        """What the alias stands for. An alias inside its own anchor has no finite form."""
        known = self.anchors.get(event.anchor)
        if known is None:
            is_open = event.anchor in self.anchors
            says = "contains itself" if is_open else "has no anchor before it"
            raise self.stop("yaml.alias", event, f"the alias *{event.anchor} {says}.", "Write the value out.")
        node, size, height = known
        self.check_depth(depth + height, event)
        self.count(size, event)
        return node

    def check_depth(self, depth: int, event: Any) -> None:
        if depth > MAX_DEPTH:
            says = f"values are nested deeper than {MAX_DEPTH} levels, aliases expanded."
            raise self.stop("yaml.too_deep", event, says, "Flatten it.")

    def count(self, size: int, event: Any) -> None:
        self.size += size
        if self.size > MAX_NODES:
            says = f"the document has more than {MAX_NODES:,} values, aliases expanded."
            raise self.stop("yaml.too_large", event, says, "Split it, or repeat less by aliases.")

    def check_tag(self, event: Any) -> None:
        tag = event.tag
        if tag is not None and tag not in _TEXT_TAGS and tag not in _PLAIN_TAGS:
            self.report("yaml.tag", event, f"the tag {_quoted(tag)} has no meaning here.", "Remove the tag.")

    def report(self, code: str, event: Any, says: str, remedy: str) -> None:
        self.findings.append(_finding(code, says, remedy, _where(self.file, event.start_mark)))

    def stop(self, code: str, event: Any, says: str, remedy: str) -> _Unreadable:
        return _Unreadable(_finding(code, says, remedy, _where(self.file, event.start_mark)))


def _syntax_finding(error: yaml.YAMLError, file: str, text: str) -> Finding:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        reason = getattr(error, "reason", None) or "it cannot be parsed"
        where = _where_after(text.encode()[: getattr(error, "position", 0)], file)
        return _finding("yaml.syntax", f"{reason}.", "Remove the character that YAML does not allow.", where)
    context, problem = getattr(error, "context", None), getattr(error, "problem", None)
    says = ", ".join(part for part in (context, problem) if part) + "."
    return _finding("yaml.syntax", says, _syntax_remedy(mark, text), _where(file, mark))


def _syntax_remedy(mark: Any, text: str) -> str:
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: mark.column + 1]:
        return "Indent with spaces; YAML forbids tabs there."
    return "Check the indentation, the quotes and the colons of this line and the one before."


def _where_after(before: bytes, file: str) -> str:
    """`file:line:column` of what follows the bytes `before`."""
    text = before.decode(errors="ignore")
    return f"{file}:{text.count(chr(10)) + 1}:{len(text) - text.rfind(chr(10))}"


def _where(file: str, mark: Any) -> str:
    return f"{file}:{mark.line + 1}:{mark.column + 1}"


def _finding(code: str, says: str, remedy: str, where: str) -> Finding:
    return Finding(code, Severity.ERROR, where.partition(":")[0], says, remedy, where)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
