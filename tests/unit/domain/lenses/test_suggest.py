"""Drafts of lenses: what ids, names, units, values, objects and data tell, and in which order ops come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from interlock.domain.lenses.guess import Entry, guesses
from interlock.domain.lenses.likeness import alike, unit_in
from interlock.domain.lenses.profile import Profile
from interlock.domain.lenses.suggest import Data, drafted
from interlock.domain.lenses.units import conversion
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import BOOLEAN, DATE, INTEGER, NUMBER, STRING, Field, List, Struct, Type


def draft(older: list[Field], newer: list[Field], data: Data | None = None) -> list[dict[str, Any]]:
    return [one.document for one in entries(older, newer, data)]


def entries(older: list[Field], newer: list[Field], data: Data | None = None) -> tuple[Entry, ...]:
    return drafted(record("c", "1", tuple(older)), record("c", "2", tuple(newer)), data)


def text(name: str, **more: Any) -> Field:
    return Field(name, STRING, **more)


def numbers(low: float, high: float, **more: Any) -> Profile:
    step = (high - low) / 4
    return Profile(1000, more.get("nulls", 0.0), 900, tuple(low + step * place for place in range(5)))


def words(*shares: tuple[str, float]) -> Profile:
    return Profile(1000, 0.0, len(shares), (), shares, (1.0, 4.0, 9.0))


@pytest.mark.parametrize(
    ("older", "newer", "least"),
    [
        ("dep_delay", "departure_delay", 0.9),
        ("customerId", "customer_id", 1.0),
        ("tailnum", "tail_number", 0.75),
        ("dob", "date_of_birth", 0.8),
        ("delay_ms", "delay_s", 1.0),
        ("qty", "quantity", 0.8),
    ],
)
def test_names_are_alike(older: str, newer: str, least: float) -> None:
    """Abbreviations, other styles, initials, and units that do not count."""
    assert alike(older, newer) == alike(newer, older) >= least


def test_names_that_are_not_alike() -> None:
    """Words in common with others beside them are not enough, and no word is nothing."""
    assert alike("carrier", "airline") == 0
    assert alike("arr_time", "dep_time") <= 0.5
    assert (unit_in("delay_ms"), unit_in("ms"), unit_in("name")) == ("ms", "", "")


def test_ids_and_aliases_go_before_names() -> None:
    """Two fields that exchange their names go by way of a third; nothing of it is a guess."""
    older = [text("a", id="1"), text("b", id="2"), text("old")]
    newer = [text("b", id="1"), text("a", id="2"), text("new", aliases=("old",))]
    assert draft(older, newer) == [
        {"rename": {"from": "old", "to": "new"}},
        {"rename": {"from": "b", "to": "b_before"}},
        {"rename": {"from": "a", "to": "b"}},
        {"rename": {"from": "b_before", "to": "a"}},
    ]
    assert list(guesses(entries(older, newer))) == []


def test_what_is_not_alike_is_dropped_and_added() -> None:
    """With the defaults of the contracts; each is a guess that says so."""
    found = entries([text("carrier"), text("x")], [text("note", default=("-",)), Field("n", INTEGER)])
    assert [one.document for one in found] == [
        {"drop": {"field": "carrier"}},
        {"drop": {"field": "x"}},
        {"add": {"field": "note", "default": "-"}},
        {"add": {"field": "n"}},
    ]
    assert all(one.guess and "looks like it" in one.guess.reasons[0] for one in found)


def test_stated_units_convert_and_are_no_guess() -> None:
    """Whole numbers stay whole where they can, and come back whole where the factor is a fraction."""
    older = [Field("a", INTEGER, unit="h"), Field("b", INTEGER, unit="[mi_i]"), Field("c", NUMBER, unit="Cel")]
    newer = [Field("a", INTEGER, unit="min"), Field("b", NUMBER, unit="km"), Field("c", NUMBER, unit="K")]
    assert draft(older, newer) == [
        {"unit": {"field": "a", "from": "h", "to": "min", "integer": True}},
        {"split": {"field": "b", "into": {"b": "b * 1.609344"}, "merge": "round_half_even(b / 1.609344)"}},
        {"unit": {"field": "c", "from": "Cel", "to": "K"}},
    ]
    assert list(guesses(entries(older, newer))) == []


def test_units_in_names_are_guessed() -> None:
    """`dist_mi` becomes `distance_km`, converted, and says why."""
    found = entries([Field("dist_mi", NUMBER)], [Field("distance_km", NUMBER)])
    assert [list(one.block) for one in found] == [["rename"], ["unit"]]
    assert found[1].guess is not None


def test_listed_values_are_paired_by_their_words() -> None:
    """Codes and labels, flags and booleans; one that is left over on both sides goes together."""
    older = [text("carrier", enum=("UA", "AA", "B6")), text("active", enum=("Y", "N"))]
    newer = [text("carrier", enum=("United Airlines", "American Airlines", "JetBlue")), Field("active", BOOLEAN)]
    values = {"UA": "United Airlines", "AA": "American Airlines", "B6": "JetBlue"}
    found = draft(older, newer)
    assert {"map": {"field": "carrier", "values": values}} in found
    assert {"map": {"field": "active", "values": {"Y": True, "N": False}}} in found


def test_labels_of_values_pair_them() -> None:
    """What the older contract says that a code means is the newer one's value."""
    older = [text("s", enum=("1", "2"), enum_labels=("open", "closed"))]
    newer = [text("s", enum=("closed", "open"))]
    assert draft(older, newer) == [{"map": {"field": "s", "values": {"1": "open", "2": "closed"}}}]


def test_fields_move_into_a_new_object() -> None:
    """And lose the part of their names that it has."""
    older = [Field("origin_lat", NUMBER), Field("origin_lon", NUMBER), text("id")]
    inner = Struct((Field("latitude", NUMBER), Field("longitude", NUMBER)))
    nest, inside = draft(older, [text("id"), Field("origin", inner)])
    assert nest == {"nest": {"fields": ["origin_lat", "origin_lon"], "into": "origin"}}
    renames = {one["rename"]["from"]: one["rename"]["to"] for one in inside["in"]["ops"]}
    assert renames == {"origin_lat": "latitude", "origin_lon": "longitude"}


def test_fields_move_out_of_an_object() -> None:
    """What nothing looks like is dropped in it first, since all of it has to go."""
    older = [Field("address", Struct((text("zip"), text("street"), Field("floor", INTEGER))))]
    assert draft(older, [text("zip_code"), text("street")]) == [
        {
            "in": {
                "field": "address",
                "ops": [{"rename": {"from": "zip", "to": "zip_code"}}, {"drop": {"field": "floor"}}],
            }
        },
        {"unnest": {"field": "address", "fields": ["street", "zip_code"]}},
    ]


def test_objects_and_lists_are_compared_inside() -> None:
    """Under the same name or another; one value and a list of values too."""
    leg = Struct((Field("no", INTEGER),))
    legs = Struct((Field("number", INTEGER),))
    older = [Field("legs", List(Field("element", leg))), text("tag"), Field("tags", List(text("element")))]
    newer = [Field("legs", List(Field("element", legs))), Field("tag", List(text("element"))), text("tags")]
    found = draft(older, newer)
    rename = {"rename": {"from": "no", "to": "number"}}
    assert {"each": {"field": "legs", "ops": [rename]}} in found
    assert {"wrap": {"field": "tag"}} in found
    assert {"head": {"field": "tags"}} in found


@pytest.mark.parametrize("is_merge", [False, True])
def test_names_and_dates_are_split_and_merged(is_merge: bool) -> None:
    """First and last names; year, month and day."""
    wholes = [text("full_name"), Field("day_of_flight", DATE)]
    parts = [text("first_name"), text("last_name"), *(Field(n, INTEGER) for n in ("year", "month", "day"))]
    sides = (parts, wholes) if is_merge else (wholes, parts)
    found = draft(*sides)
    assert [list(one) for one in found] == [["merge" if is_merge else "split"]] * 2
    assert "first_name || ' ' || last_name" in str(found)
    assert "lpad(CAST(month AS TEXT), 2, '0')" in str(found)


def test_other_types_are_converted_where_that_is_exact() -> None:
    """By casts, and dates in text by expressions; null where it has no place becomes the default."""
    older = [Field("n", INTEGER), text("d"), text("s", nullable=True)]
    newer = [text("n"), Field("d", DATE), text("s", default=("-",))]
    assert draft(older, newer) == [
        {"cast": {"field": "n", "from": "integer", "to": "string"}},
        {"split": {"field": "d", "into": {"d": "CAST(d AS DATE)"}, "merge": "CAST(d AS TEXT)"}},
        {"fill": {"field": "s", "value": "-"}},
    ]


def test_data_finds_what_names_do_not_tell() -> None:
    """Quantiles and shares of nulls; and what it finds is said."""
    older = [Field("a", NUMBER), Field("b", NUMBER)]
    newer = [Field("x", NUMBER), Field("y", NUMBER)]
    assert {next(iter(one)) for one in draft(older, newer)} == {"add", "drop"}
    data = Data(
        {("a",): numbers(0, 10), ("b",): numbers(100, 900)}, {("x",): numbers(100, 901), ("y",): numbers(0, 10)}
    )
    found = entries(older, newer, data)
    assert [one.document for one in found] == [
        {"rename": {"from": "a", "to": "y"}},
        {"rename": {"from": "b", "to": "x"}},
    ]
    assert all(one.guess and "quantiles" in one.guess.reasons[0] for one in found)


def test_data_refutes_what_names_tell() -> None:
    """Names that are alike are not enough where no value is the same."""
    older, newer = [text("start_code")], [text("start_name"), text("z")]
    data = Data({("start_code",): words(("A", 0.7), ("B", 0.3))}, {("z",): words(("A", 0.69), ("B", 0.31))})
    data = replace(data, newer={**data.newer, ("start_name",): words(("m", 0.2), ("n", 0.2), ("o", 0.6))})
    assert {"rename": {"from": "start_code", "to": "z"}} in draft(older, newer, data)


def test_data_finds_units() -> None:
    """Quantiles that agree after a conversion propose it, as a guess."""
    data = Data({("wait",): numbers(0, 10)}, {("wait",): numbers(0, 600)})
    (found,) = entries([Field("wait", NUMBER)], [Field("wait", NUMBER)], data)
    (unit,) = found.document.values()
    assert conversion(unit["from"], unit["to"]) == (60, 0)
    assert found.guess is not None


def test_data_finds_parts() -> None:
    """Values, cut where a sign stands, that are those of two other fields."""
    routes = tuple((f"{a}-{b}", 0.25) for a in ("EWR", "JFK") for b in ("IAH", "MIA"))
    halves = [words(("EWR", 0.5), ("JFK", 0.5)), words(("IAH", 0.5), ("MIA", 0.5))]
    data = Data({("r",): words(*routes)}, {("p",): halves[0], ("q",): halves[1]})
    assert draft([text("r")], [text("p"), text("q")], data) == [
        {
            "split": {
                "field": "r",
                "into": {"p": "split_part(r, '-', 1)", "q": "split_part(r, '-', 2)"},
                "merge": "p || '-' || q",
            }
        }
    ]


def test_each_field_is_taken_once() -> None:
    """The assignment of the greatest sum, whatever the order of the fields."""
    kinds: list[Type] = [NUMBER] * 4
    names = ("dep_time", "sched_dep_time", "arr_time", "sched_arr_time")
    longer = ("departure_time", "scheduled_departure_time", "arrival_time", "scheduled_arrival_time")
    older = [Field(n, k) for n, k in zip(names, kinds, strict=True)]
    newer = [Field(n, k) for n, k in zip(longer, kinds, strict=True)]
    wanted = {(a, b) for a, b in zip(names, longer, strict=True)}
    for turned in (newer, newer[::-1], [newer[2], newer[0], newer[3], newer[1]]):
        found = {(one["rename"]["from"], one["rename"]["to"]) for one in draft(older, turned)}
        assert found == wanted
