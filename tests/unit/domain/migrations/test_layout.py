"""Where the fields of two versions lie while both are served."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Cast, Drop, Program, Rename
from interlock.domain.migrations.layout import LONGEST_NAME, Layout, lay_out, short_name, suffix, unkept
from interlock.domain.schemas.contract import Check, Contract, Object
from interlock.domain.schemas.field import Field, Int, String

ID = Field("id", Int(64))
A = Field("a", String(), nullable=True)


def contract(version: str, *fields: Field) -> Contract:
    return Contract("c", version, (Object("c", (ID, *fields), False),))


def laid_out(ops: Program, older: Contract, newer: Contract, key: tuple[str, ...] = ("id",)) -> Layout:
    layout, found = lay_out(Lens("c", older.version, newer.version, ops), older, newer, "t", key)
    assert layout is not None, found
    return layout


def codes(ops: Program, older: Contract, newer: Contract, key: tuple[str, ...]) -> list[str]:
    layout, found = lay_out(Lens("c", "1", "2", ops), older, newer, "t", key)
    assert layout is None
    return [one.code for one in found]


def test_a_renamed_field_shares_its_column() -> None:
    """Nothing is copied that does not change."""
    layout = laid_out((Rename("a", "b"),), contract("1", A), contract("2", replace(A, name="b")))
    assert [(one.field.name, one.column, one.is_new) for one in layout.columns] == [
        ("id", "id", False),
        ("b", "a", False),
    ]
    assert layout.gone == ()


def test_a_changed_field_of_the_same_name_has_a_second_column() -> None:
    """It is named after the version until the first one is gone, whatever is there already."""
    number = Field("a", Int(64), nullable=True)
    other = replace(A, name="A__V2")
    ops = (Cast("a", "string", "integer"), Drop("A__V2"))
    layout = laid_out(ops, contract("1", A, other), contract("2", number))
    assert [one.column for one in layout.new] == ["a__v22"]
    assert layout.gone == (A, other)


@pytest.mark.parametrize(
    "change", [{"nullable": False}, {"max_length": 3}, {"enum": ("x",)}, {"type": Int(32)}, {"is_unique": True}]
)
def test_a_field_whose_rules_change_has_a_second_column(change: dict[str, object]) -> None:
    """One column cannot keep the rules of both versions."""
    layout = laid_out((), contract("1", A), contract("2", replace(A, **change)))  # type: ignore[arg-type]
    assert [one.field.name for one in layout.new] == ["a"]


def test_what_says_nothing_of_values_changes_no_column() -> None:
    """A description, a tag, an identifier."""
    told = replace(A, description="of it", tags=("x",), id="7", is_personal=True)
    assert laid_out((), contract("1", A), contract("2", told)).new == ()


def test_a_key_may_be_renamed() -> None:
    """The key is named in both versions, in the same order."""
    newer = Contract("c", "2", (Object("c", (Field("Id", Int(64)), A), False),))
    layout = laid_out((Rename("id", "Id"),), contract("1", A), newer)
    assert (layout.key, layout.newer_key) == (("id",), ("Id",))


def test_keys_that_do_not_name_rows_are_refused() -> None:
    """None, unknown ones, null ones, changed ones; and a name that is too long."""
    older, newer = contract("1", A), contract("2", replace(A, type=Int(64)))
    cast = (Cast("a", "string", "integer"),)
    assert codes((), older, older, ()) == ["migration.key_absent"]
    assert codes((), older, older, ("b",)) == ["migration.key_unknown"]
    assert codes((), older, older, ("a",)) == ["migration.key_nullable"]
    assert codes(cast, older, newer, ("a",)) == ["migration.key_changed"]
    long = Contract("c", "1", (Object("c", (ID, Field("x" * 64, String())), False),))
    assert set(codes((), long, long, ("id",))) == {"migration.name_long"}


def test_names_are_those_that_databases_keep() -> None:
    """A longer name is cut, and told apart by a digest; versions become plain words."""
    one, other = (short_name("\u00e9" * 40 + end) for end in "ab")
    assert one != other
    assert max(len(one.encode()), len(other.encode())) <= LONGEST_NAME
    assert short_name("short") == "short"
    assert [suffix(version) for version in ("2", "v2", "1.2.0-rc")] == ["v2", "v2", "v1_2_0_rc"]


def test_what_the_database_will_not_keep_is_told() -> None:
    """Patterns and row checks are warned of; a column that SQLite cannot drop is an error there."""
    older = contract("1", replace(A, is_unique=True))
    newer = contract("2", replace(A, pattern="^x"))
    newer = replace(newer, objects=(replace(newer.objects[0], checks=(Check("sane", "id > 0"),)),))
    layout = laid_out((), older, newer)
    [told] = unkept(layout, older, newer, "postgres")
    assert (told.code, told.is_blocking) == ("migration.rule_not_kept", False)
    assert "the check 'sane', the pattern of `a`" in told.says
    assert [one.code for one in unkept(layout, older, newer, "sqlite") if one.is_blocking] == [
        "migration.column_bound"
    ]
