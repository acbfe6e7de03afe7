"""What is told of lenses: words of ops, a record's trip, several lenses together, drafts, places of ops."""

from __future__ import annotations

from interlock.domain.changes.coherence import check_lenses
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.check import fit
from interlock.domain.lenses.explain import explained, tripped
from interlock.domain.lenses.expressions.nodes import TEXT, Column
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.instances import instances, without_values
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.network import network_findings
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Computed,
    Drop,
    Each,
    Fill,
    Head,
    Inside,
    Map,
    Nest,
    Program,
    Recombine,
    Rename,
    Unit,
    Unnest,
    Wrap,
)
from interlock.domain.schemas.contract import Contract, record
from interlock.domain.schemas.field import INTEGER, STRING, Field, Struct
from interlock.kernel.finding import Severity


def contract(version: str, *names: str) -> Contract:
    return record("c", version, tuple(Field(name, STRING) for name in names), where=f"c-{version}.yaml:1")


def lens(older: str, newer: str, *ops: object, where: str = "") -> Lens:
    return Lens("c", older, newer, ops, where or f"lens-{older}-{newer}.yaml:1")  # type: ignore[arg-type]


def workspace_of(*lenses: Lens, drafts: tuple[Lens, ...] = ()) -> Workspace:
    contracts = [contract("1", "a"), contract("2", "b"), contract("3", "c")]
    return Workspace("w", contracts={("c", one.version): one for one in contracts}, lenses=lenses, drafts=drafts)


def test_every_op_has_words_in_both_directions() -> None:
    """One line each, and what is inside of objects is numbered below."""
    upper = Computed("p", call("upper", Column("a", TEXT)), is_needed=True)
    program: Program = (
        Rename("a", "b"),
        Add("x", 1),
        Drop("y", value=Column("b", TEXT)),
        Cast("n", "integer", "string"),
        Unit("t", 60, integer=True),
        Unit("u", 1, 60, 32.0),
        Map("m", (("a", "b"),), ("z",)),
        Recombine((Computed("a", Column("p", TEXT)),), (upper,)),
        Nest(("q",), "o"),
        Unnest(("q",), "o"),
        Wrap("w"),
        Head("h"),
        Fill("f", -1),
        Blank("g", ""),
        Inside("o", (Rename("k", "l"),)),
        Each("e", (Drop("k"),)),
    )
    told = list(explained(program))
    assert [one.number for one in told] == [*map(str, range(1, 16)), "15.1", "16", "16.1"]
    words = {one.number: (one.there, one.back) for one in told}
    assert words["1"] == ("`a` is called `b`", "`b` is called `a`")
    assert words["3"] == ("`y` is left out", "`y` is made: b")
    assert words["5"] == (
        "`t` is multiplied by 60, rounded to a whole number",
        "`t` is divided by 60, rounded to a whole number",
    )
    assert words["6"][0] == "`u` is divided by 60, then 32 is added"
    assert words["7"][0] == "`m`: 'a' becomes 'b'; anything else becomes 'z'"
    assert words["8"] == (
        "`a` is replaced: `p` = upper(a), else the record is rejected",
        "`p` is replaced: `a` = p",
    )
    assert words["13"] == ("`f`: null becomes -1", "`f`: -1 becomes null")
    assert words["15.1"] == ("`k` is called `l`", "`l` is called `k`")


def test_a_trip_shows_what_changed_and_what_was_rejected() -> None:
    """Field by field, by both names; fields that the contract does not know pass and are told too."""
    one = lens("1", "2", Rename("a", "b"), Map("b", (("x", "y"), ("z", "y"))))
    trip = tripped(one, contract("1", "a").fields, {"a": "z", "more": 1})
    first, more = trip.lines
    assert (first.source, first.before, first.target, first.after, first.returned) == (
        "a",
        '"z"',
        "b",
        '"y"',
        '"x"',
    )
    assert (first.is_changed, more.is_changed, more.after) == (True, False, "1")
    assert tripped(one, contract("1", "a").fields, {"a": "?"}).rejected.startswith("rejected: `b` has a value")


def test_names_with_dots_are_told_as_they_stand() -> None:
    """Alone, around an object and within one: what changed is shown, and said to be changed."""
    one = Lens("c", "1", "2", (Map("a.b", (("x", "y"), ("z", "y"))), Inside("o.p", (Rename("q.r", "s"),))))
    fields = (Field("a.b", STRING), Field("o.p", Struct((Field("q.r", STRING),))))
    first, inner = tripped(one, fields, {"a.b": "z", "o.p": {"q.r": "k"}}).lines
    assert (first.source, first.before, first.after, first.returned, first.is_changed) == (
        "a.b",
        '"z"',
        '"y"',
        '"x"',
        True,
    )
    assert (inner.source, inner.before, inner.after, inner.returned) == ("o.p.q.r", '"k"', '"k"', '"k"')


def test_two_lenses_for_one_step_are_an_error_that_names_both() -> None:
    """In whichever direction they are written."""
    found = list(network_findings([lens("1", "2", Rename("a", "b")), lens("2", "1", Rename("b", "a"))], {}))
    assert [(f.code, f.severity) for f in found] == [("lens.step_twice", Severity.ERROR)]
    assert "lens-1-2.yaml:1" in found[0].says
    assert "lens-2-1.yaml:1" in found[0].says


def test_versions_that_no_lens_reaches_are_told() -> None:
    """Alone, or joined among themselves only."""
    workspace = workspace_of(lens("1", "2", Rename("a", "b")))
    (found,) = network_findings(workspace.lenses, workspace.contracts)
    assert (found.code, found.subject, found.where) == ("lens.unreachable", "contract:c@3", "c-3.yaml:1")


def test_another_way_is_compared() -> None:
    """Two ways between the same versions: what records become of each."""
    steps = [lens("1", "2", Rename("a", "b")), lens("2", "3", Rename("b", "c"))]
    same = workspace_of(*steps, lens("1", "3", Rename("a", "c")))
    codes = {f.code for f in network_findings(same.lenses, same.contracts)}
    assert codes == {"lens.several_ways"}
    other = workspace_of(*steps, lens("1", "3", Drop("a"), Add("c", "x")))
    found = [f for f in network_findings(other.lenses, other.contracts) if f.code == "lens.ways_differ"]
    assert any("in `c`" in f.says for f in found)


def test_a_draft_blocks_nothing_and_is_told() -> None:
    """What is wrong with it is a warning, since nothing is translated by it."""
    draft = Lens("c", "1", "2", (Rename("gone", "b"),), "d.yaml:1", is_draft=True)
    found = check_lenses(workspace_of(drafts=(draft,)))
    assert found[0].code == "lens.unconfirmed"
    assert {f.severity for f in found} == {Severity.WARNING}
    assert "lens.field_unknown" in {f.code for f in found}


def test_what_is_wrong_with_an_op_is_told_where_it_is_written() -> None:
    """Its number, its line, and what there is instead."""
    one = Lens("c", "1", "2", (Rename("a", "b"), Drop("aa")), "l.yaml:1", places=("l.yaml:6", "l.yaml:7"))
    found = fit(one, contract("1", "a"), contract("2", "b"))[0]
    assert (found.code, found.where) == ("lens.field_unknown", "l.yaml:7")
    assert found.says == "op 2 (drop): `aa` does not exist at this point"
    assert found.remedy


def test_the_first_instance_is_ordinary() -> None:
    """Everything is there and nothing is null; fields without a known value are named."""
    fields = (Field("a", INTEGER, required=False, nullable=True), Field("s", STRING, enum=("x", "y")))
    found = list(instances(fields, 50))
    assert found[0] == {"a": 7, "s": "x"}
    assert {"s": "y"} in found
    assert {"a": None, "s": "x"} in found
    strange = (Field("p", STRING, pattern="^[QZ]{4}!$"),)
    assert (list(instances(strange, 5)), without_values(strange)) == ([], ("p",))
