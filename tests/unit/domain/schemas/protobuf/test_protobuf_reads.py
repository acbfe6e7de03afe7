"""What a Protobuf reader makes of what another schema wrote; each verdict by the name that registries give it."""

from __future__ import annotations

import pytest
from benchmarks.protobuf_wire import message_class

from interlock.domain.schemas.protobuf.compile import Compiled, compile_schema
from interlock.domain.schemas.protobuf.reads import reads
from interlock.domain.schemas.reason import Reason
from interlock.kernel.finding import Severity


def told(writer: str, reader: str, *, is_lenient: bool = False, syntax: str = "proto3") -> tuple[Reason, ...]:
    """What bears on the bodies of two files."""
    one, other = (compile_schema(f'syntax = "{syntax}";\n{text}', {}).file for text in (reader, writer))
    return reads(one, other, is_lenient=is_lenient)


def blocking(reasons: tuple[Reason, ...]) -> list[tuple[str, str]]:
    return [(r.code, r.path) for r in reasons if r.is_blocking]


def noted(reasons: tuple[Reason, ...]) -> set[str]:
    return {r.code for r in reasons if not r.is_blocking}


def message(inside: str) -> str:
    return f"message M {{ {inside} }}"


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        ("int32", "int64"),
        ("uint32", "uint64"),
        ("uint32", "int64"),
        ("bool", "int32"),
        ("sint32", "sint64"),
        ("string", "bytes"),
    ],
)
def test_a_wider_type_reads_and_a_narrower_one_loses(writer: str, reader: str) -> None:
    """Widening is a yes; back again values change: a no, or a yes of the lenient policy with a warning."""
    one, other = message(f"{writer} a = 1;"), message(f"{reader} a = 1;")
    assert blocking(told(one, other)) == []
    assert blocking(told(other, one)) == [("FIELD_SCALAR_KIND_CHANGED", "#/M/1")]
    lenient = told(other, one, is_lenient=True)
    assert blocking(lenient) == []
    assert lenient[0].finding("subject:a").severity is Severity.WARNING


@pytest.mark.parametrize(
    ("writer", "reader"), [("int32", "sint32"), ("int32", "fixed32"), ("float", "double"), ("string", "int32")]
)
def test_another_coding_is_never_read(writer: str, reader: str) -> None:
    """No policy lets it pass."""
    for one, other in ((writer, reader), (reader, writer)):
        asked = told(message(f"{one} a = 1;"), message(f"{other} a = 1;"), is_lenient=True)
        assert blocking(asked) == [("FIELD_SCALAR_KIND_CHANGED", "#/M/1")]


def test_fields_come_and_go_by_number() -> None:
    """An unknown number is skipped; a name may change as long as it means no other number."""
    assert noted(told(message("int32 a = 1; int32 b = 2;"), message("int32 a = 1; int32 c = 3;"))) == {
        "FIELD_REMOVED",
        "FIELD_ADDED",
    }
    assert noted(told(message("int32 a = 1;"), message("int32 b = 1;"))) == {"FIELD_NAME_CHANGED"}
    swapped = told(message("int32 a = 1; int32 b = 2;"), message("int32 b = 1; int32 a = 2;"))
    assert blocking(swapped) == [("FIELD_NAME_CHANGED", "#/M/1"), ("FIELD_NAME_CHANGED", "#/M/2")]


def test_a_reserved_number_is_not_taken_again() -> None:
    """The writer reserved it because old records carry another field there."""
    asked = told(message("reserved 3; int32 a = 1;"), message("int32 a = 1; string b = 3;"))
    assert blocking(asked) == [("FIELD_NUMBER_RESERVED", "#/M/3")]


def test_required_fields_bind_both_sides() -> None:
    """They can neither be added nor taken away, nor become required."""
    optional, required = message("optional int32 a = 1;"), message("required int32 a = 1;")
    assert blocking(told("message M {}", required, syntax="proto2")) == [("REQUIRED_FIELD_ADDED", "#/M/1")]
    assert blocking(told(required, "message M {}", syntax="proto2")) == [("REQUIRED_FIELD_REMOVED", "#/M/1")]
    assert blocking(told(optional, required, syntax="proto2")) == [("REQUIRED_FIELD_ADDED", "#/M/1")]
    assert blocking(told(required, optional, syntax="proto2")) == []


def test_labels() -> None:
    """Numbers are packed; texts and messages can become repeated, and lose all but one the other way."""
    one, many = "optional int32 a = 1;", "repeated int32 a = 1;"
    for writer, reader in ((one, many), (many, one)):
        assert blocking(told(message(writer), message(reader), is_lenient=True)) == [
            ("FIELD_NUMERIC_LABEL_CHANGED", "#/M/1")
        ]
    for kind, code in (("string", "FIELD_STRING_OR_BYTES_LABEL_CHANGED"), ("M", "FIELD_MESSAGE_LABEL_CHANGED")):
        one, many = f"optional {kind} a = 1;", f"repeated {kind} a = 1;"
        assert blocking(told(message(one), message(many))) == []
        assert blocking(told(message(many), message(one))) == [(code, "#/M/1")]


def test_enums_open_and_closed() -> None:
    """An open enum keeps an unknown number, a closed one drops it; names are labels, unless two are swapped."""
    two, three = "enum E { A = 0; B = 1; }", "enum E { A = 0; B = 1; C = 2; }"
    field = " message M { optional E e = 1; }"
    assert noted(told(three + field, two + field)) == {"ENUM_CONST_REMOVED"}
    closed = told(three + field, two + field, syntax="proto2")
    assert blocking(closed) == [("ENUM_CONST_REMOVED", "#/E/2")]
    assert noted(told(two + field, "enum E { A = 0; Z = 1; }" + field)) == {"ENUM_CONST_CHANGED"}
    swapped = told(two + field, "enum E { B = 0; A = 1; }" + field)
    assert blocking(swapped) == [("ENUM_CONST_CHANGED", "#/E/0"), ("ENUM_CONST_CHANGED", "#/E/1")]


def test_numbers_and_enums_exchange_by_number() -> None:
    """An int32 reads any enum, an open enum any int32, a closed one only what it lists."""
    enum = "enum E { A = 0; } message M { optional E e = 1; }"
    number = "message M { optional int32 e = 1; }"
    assert blocking(told(enum, number)) == []
    assert blocking(told(number, enum)) == []
    assert blocking(told(number, enum, syntax="proto2")) == [("FIELD_KIND_CHANGED", "#/M/1")]


ONEOF = "oneof o { int32 a = 1; int32 b = 2; }"


@pytest.mark.parametrize(
    ("writer", "reader", "code"),
    [
        ("int32 a = 1; int32 b = 2;", ONEOF, "MULTIPLE_FIELDS_MOVED_TO_ONEOF"),
        (
            f"{ONEOF} int32 c = 3;",
            "oneof o { int32 a = 1; int32 b = 2; int32 c = 3; }",
            "FIELD_MOVED_TO_EXISTING_ONEOF",
        ),
        (ONEOF, "oneof o { int32 a = 1; }", "ONEOF_FIELD_REMOVED"),
    ],
)
def test_oneofs_that_lose(writer: str, reader: str, code: str) -> None:
    """Members that can be written together must not meet in one oneof, and a member must not vanish from one."""
    assert [c for c, _ in blocking(told(message(writer), message(reader), is_lenient=True))] == [code]


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        ("int32 a = 1;", ONEOF),
        (ONEOF, "int32 a = 1; int32 b = 2;"),
        (ONEOF, "oneof renamed { int32 a = 1; int32 b = 2; }"),
        (ONEOF, "oneof o { int32 a = 1; int32 b = 2; int32 c = 3; }"),
    ],
)
def test_oneofs_that_keep(writer: str, reader: str) -> None:
    """One field may enter, all may leave, names do not count, members may be added."""
    assert blocking(told(message(writer), message(reader))) == []


def test_maps_are_lists_of_entries() -> None:
    """Keys and values are compared as fields; a list read as a map loses equal keys."""
    assert blocking(told(message("map<string, int32> m = 1;"), message("map<string, string> m = 1;"))) == [
        ("FIELD_SCALAR_KIND_CHANGED", "#/M/1/2")
    ]
    entries = "message Entry { string key = 1; int32 value = 2; } "
    listed, mapped = entries + message("repeated Entry m = 1;"), entries + message("map<string, int32> m = 1;")
    assert blocking(told(mapped, listed)) == []
    assert blocking(told(listed, mapped)) == [("FIELD_KIND_CHANGED", "#/M/1")]


def test_types_of_fields_are_matched_by_structure() -> None:
    """A field may have a type of another name, as long as what it holds is read."""
    writer = "message A { int32 x = 1; } message B { int32 x = 1; } message M { A f = 1; }"
    assert noted(told(writer, writer.replace("A f", "B f"))) == {"FIELD_NAMED_TYPE_CHANGED"}
    other = "message A { int32 x = 1; } message B { string x = 1; } message M { A f = 1; }"
    assert blocking(told(other, other.replace("A f", "B f"))) == [("FIELD_SCALAR_KIND_CHANGED", "#/B/1")]


def test_messages_and_packages_stay() -> None:
    """A record names its message by its place in the file, and type names carry the package."""
    both = "message A {} message M { message Inner {} }"
    assert blocking(told(both, "message M {}")) == [("MESSAGE_REMOVED", "#/A"), ("MESSAGE_REMOVED", "#/M/Inner")]
    assert noted(told("message M {}", both)) == {"MESSAGE_ADDED"}
    assert blocking(told("package a; message M {}", "package b; message M {}")) == [("PACKAGE_CHANGED", "#/")]


def test_a_message_is_no_scalar_and_no_group() -> None:
    """Neither policy exchanges them."""
    nested = "message N {} "
    for writer, reader in (("bytes a = 1;", "N a = 1;"), ("N a = 1;", "string a = 1;")):
        asked = told(nested + message(writer), nested + message(reader), is_lenient=True)
        assert blocking(asked) == [("FIELD_KIND_CHANGED", "#/M/1")]
    group, own = message("optional group G = 1 {}"), message("message G {} optional G g = 1;")
    assert blocking(told(group, own, syntax="proto2")) == [("FIELD_KIND_CHANGED", "#/M/1")]


def test_types_inside_themselves_are_compared_once() -> None:
    """A tree of messages does not send the comparison in circles."""
    tree = "message M { repeated M children = 1; int32 a = 2; }"
    assert told(tree, tree) == ()
    assert blocking(told(tree, tree.replace("int32", "string"))) == [("FIELD_SCALAR_KIND_CHANGED", "#/M/2")]


def test_a_changed_default_is_told() -> None:
    """It is not on the wire, so it does not block; people should know."""
    asked = told(message("optional int32 a = 1;"), message("optional int32 a = 1 [default = 5];"), syntax="proto2")
    assert noted(asked) == {"FIELD_DEFAULT_CHANGED"}


def compiled(syntax: str, text: str) -> Compiled:
    return compile_schema(f'syntax = "{syntax}";\n{text}', {})


@pytest.mark.parametrize(
    ("writer", "reader", "read"),
    [
        ("int32 a = 1;", "optional int32 a = 1 [default = 5];", 5),
        ("bool a = 1;", "optional bool a = 1 [default = true];", True),
        ("string a = 1;", 'optional string a = 1 [default = "x"];', "x"),
    ],
)
def test_a_zero_that_is_not_sent_is_read_as_the_default(writer: str, reader: str, read: object) -> None:
    """A field without presence leaves zero out, and a reader with a default takes another value: a no."""
    one, other = compiled("proto3", message(writer)), compiled("proto2", message(reader))
    written, got = message_class(one, "M")(), message_class(other, "M")()
    written.a = type(written.a)()
    got.ParseFromString(written.SerializeToString())
    assert got.a == read
    assert blocking(reads(other.file, one.file)) == [("FIELD_DEFAULT_CHANGED", "#/M/1")]
    assert blocking(reads(other.file, one.file, is_lenient=True)) == []
    explicit = compiled("proto3", message(f"optional {writer}"))
    assert blocking(reads(other.file, explicit.file)) == []


def test_the_first_constant_of_an_enum_is_its_default() -> None:
    """An unset field is read as another constant when another one comes first."""
    texts = [
        f"enum E {{ {constants} }} message M {{ optional E e = 1; }}" for constants in ("A=1; B=2;", "B=2; A=1;")
    ]
    assert noted(told(*texts, syntax="proto2")) == {"FIELD_DEFAULT_CHANGED"}


def test_a_long_chain_of_messages_is_compared_to_its_end() -> None:
    """A thousand messages, each with a field of the next one."""

    def chain(leaf: str) -> str:
        links = " ".join(f"message M{n} {{ M{n + 1} m = 1; }}" for n in range(1000))
        return f"{links} message M1000 {{ {leaf} m = 1; }}"

    assert blocking(told(chain("int32"), chain("string"))) == [("FIELD_SCALAR_KIND_CHANGED", "#/M1000/1")]
