from __future__ import annotations

import pytest

from interlock.adapters.workspace.located_yaml import MAX_BYTES, read_documents


def codes(content: bytes) -> list[str]:
    return [f.code for f in read_documents(content, "x.yaml")[1]]


def only(content: bytes) -> object:
    documents, findings = read_documents(content, "x.yaml")
    assert findings == []
    return documents[0].plain()


def test_scalars_follow_the_core_schema() -> None:
    """Words, numbers and null mean what editors show; `no`, dates and over-long numbers are text."""
    assert only(b"[1, -2, 1.5, .5, 1e3, true, null, ~, no, 2026-05-01, 0x10, 99999999999999999999, 1e999]") == [
        *(1, -2, 1.5, 0.5, 1000.0, True, None, None, "no", "2026-05-01", "0x10", "99999999999999999999", "1e999"),
    ]


def test_quotes_and_the_text_tag_make_text() -> None:
    """A quoted or block scalar is text whatever it looks like."""
    assert only(b"a: '1'\nb: \"true\"\nc: |\n  5\nd: !!str 1.0\n") == {
        "a": "1",
        "b": "true",
        "c": "5\n",
        "d": "1.0",
    }


def test_versions_keep_what_the_author_typed() -> None:
    """Where the schema wants text, `1.0` stays `1.0`, as a value and as a key; elsewhere it is a number."""
    documents, _ = read_documents(b"to: 1.0\nshare: 20\nother: 1.0\nlist: [{v: 1.10}]\n1.0: x\n", "x.yaml")
    schema = {
        "properties": {
            "to": {"type": "string"},
            "share": {"type": ["string", "number"], "pattern": "^[0-9]+%?$"},
            "list": {"items": {"properties": {"v": {"type": "string"}}}},
        }
    }
    wanted = {"to": "1.0", "share": "20", "other": 1.0, "list": [{"v": "1.10"}], "1.0": "x"}
    assert documents[0].plain(schema) == wanted


def test_every_path_has_its_line() -> None:
    """`locate` gives the line of a key or item, and that of the nearest parent for what is not written."""
    documents, _ = read_documents(b"---\na:\n  - x\n  - b: 1\n    c: 2\n---\nd: 1\n", "f.yaml")
    first, second = documents
    wanted = {("a",): 2, ("a", 0): 3, ("a", 1, "c"): 5, ("a", 1, "nope"): 4, ("a", 7): 2, (): 2}
    assert {path: first.locate(path) for path in wanted} == {p: f"f.yaml:{n}" for p, n in wanted.items()}
    assert second.locate(("d",)) == "f.yaml:7"


@pytest.mark.parametrize(
    ("content", "code", "where"),
    [
        (b"a:\n\tb: 1\n", "yaml.syntax", "x.yaml:2:1"),
        (b"a: 1\n  b: 2\n", "yaml.syntax", "x.yaml:2:4"),
        (b"ok: 1\nb: \x00", "yaml.syntax", "x.yaml:2:4"),
        (b"a: 1\nb: 2\na: 3\n", "yaml.duplicate_key", "x.yaml:3:1"),
        (b"a: 1\nb: \xff", "yaml.encoding", "x.yaml:2:4"),
        (b"? [a]\n: 1", "yaml.key", "x.yaml:1:3"),
        (b"a: *b", "yaml.alias", "x.yaml:1:4"),
        (b"a: &a [*a]", "yaml.alias", "x.yaml:1:8"),
        (b"a: !!python/object:os.system x", "yaml.tag", "x.yaml:1:4"),
        (b"[" * 100_000, "yaml.too_deep", "x.yaml:1:42"),
        (b"#" * (MAX_BYTES + 1), "yaml.too_large", "x.yaml:1:1"),
    ],
)
def test_bad_yaml_is_a_finding_with_its_place(content: bytes, code: str, where: str) -> None:
    """Each way to be bad YAML yields one finding with file, line, column and a remedy."""
    _, findings = read_documents(content, "x.yaml")
    assert [(f.code, f.where) for f in findings] == [(code, where)]
    assert findings[0].remedy


def test_alias_bombs_are_refused() -> None:
    """Nested aliases that expand to billions of values, or thousands of levels, stop at the limits."""
    wide = b"a0: &a0 [x,x]\n" + b"".join(b"a%d: &a%d [*a%d,*a%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 39))
    deep = b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d]\n" % (i, i, i - 1) for i in range(1, 3_000))
    assert codes(wide) == ["yaml.too_large"]
    assert codes(deep) == ["yaml.too_deep"]


def test_plain_aliases_work() -> None:
    """An alias is the value of its anchor; anchors end with their document."""
    assert only(b"a: &a {x: 1}\nb: *a\n") == {"a": {"x": 1}, "b": {"x": 1}}
    assert codes(b"a: &a 1\n---\nb: *a\n") == ["yaml.alias"]


def test_documents_before_a_syntax_error_are_kept() -> None:
    """One bad document does not hide the good ones before it."""
    documents, findings = read_documents(b"a: 1\n---\nb: [\n", "x.yaml")
    assert [d.plain() for d in documents] == [{"a": 1}]
    assert [f.code for f in findings] == ["yaml.syntax"]


def test_a_tab_is_named_in_the_remedy() -> None:
    """Who indents with a tab is told to use spaces."""
    _, findings = read_documents(b"a:\n\tb: 1\n", "x.yaml")
    assert "spaces" in findings[0].remedy
