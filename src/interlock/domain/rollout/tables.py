"""Tables that move with a change: which they are, and how far each may be migrated as the rollout stands.

The order is that of expand and contract: everything that old and new releases bear together comes before traffic
moves, the switch with promotion, and what the old release would not survive only by an order afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from interlock.domain.catalog.database import DatabaseDialect, Table
from interlock.domain.changes.request import Change
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.path import lens_path
from interlock.domain.migrations.advance import ORDER, lacking, reach
from interlock.domain.migrations.migration import Migration, StepKind
from interlock.domain.migrations.position import Kept, Position
from interlock.domain.releases.release import Release
from interlock.domain.rollout.compile import planned_moves
from interlock.domain.rollout.plan import Plan, PlannedMove
from interlock.domain.rollout.position import Position as RolloutPosition
from interlock.domain.rollout.stages import Prepare, Promote, Retire
from interlock.domain.schemas.contract import Contract
from interlock.kernel.digest import digest
from interlock.kernel.errors import Missing
from interlock.kernel.finding import Finding, Severity

BEFORE_TRAFFIC: Final[StepKind] = "verify"
WITH_PROMOTION: Final[StepKind] = "switch"
BY_ORDER: Final[tuple[StepKind, ...]] = ("stop-old-writes", "contract")


@dataclass(frozen=True, slots=True)
class TableMove:
    """A table whose rows go from what `before` says to what `after` says, by `lens`. has_views: a migration before
    left the views of `before`.
    """

    table: Table
    dialect: DatabaseDialect
    before: Contract
    after: Contract
    lens: Lens
    has_views: bool = False


@dataclass(frozen=True, slots=True)
class TableState:
    """What runners told last of a table: between which versions, how many of how many steps are done, and of which
    kind the last one was. views: the version whose views an earlier migration left.
    """

    older: str
    newer: str
    done: int
    steps: int
    last: StepKind | None = None
    views: str = ""

    @property
    def is_between(self) -> bool:
        """Whether both shapes are there."""
        return 0 < self.done < self.steps


def table_moves(
    workspace: Workspace, change: Change, current: Release, states: Mapping[str, TableState] | None = None
) -> tuple[tuple[TableMove, ...], tuple[Finding, ...]]:
    """The tables whose contract the change moves, and what keeps them from moving. states: by `database.table`.

    A table that has both shapes is not moved back by a migration: either release finds its own, and what the change
    before brought is taken back by its undo.
    """
    found: list[TableMove] = []
    findings: list[Finding] = []
    moving = {m.name: m for m in planned_moves(change, current, workspace) if m.kind == "contract"}
    for one in workspace.keepings:
        move = moving.get(one.contract)
        if one.table is None or move is None or move.before == move.after:
            continue
        state = (states or {}).get(str(one.table))
        between = _between(one.table, move, state)
        made = between or _table_move(workspace, one.table, move)
        if isinstance(made, TableMove):
            found.append(replace(made, has_views=state is not None and state.views == move.before))
        else:
            severity = Severity.INFO if made[0] == BOTH_SHAPES else Severity.ERROR
            findings.append(Finding(made[0], severity, str(one.asset), made[1], made[2], one.table.where))
    return tuple(found), tuple(findings)


BOTH_SHAPES: Final = "migration.both_shapes"


def _between(table: Table, move: PlannedMove, state: TableState | None) -> tuple[str, str, str] | None:
    """What to say of a table that is between other versions than those of the move: code, sentence, remedy."""
    if state is None or not state.is_between or (state.older, state.newer) == (move.before, move.after):
        return None
    both = f"{move.name}@{state.older} and {move.name}@{state.newer}"
    if (state.newer, state.older) != (move.before, move.after):
        says = f"{table} is between {both}, and is in one migration at a time."
        return (
            "migration.between",
            says,
            "Complete that one (`interlock migration contract --step expire`), or undo it.",
        )
    if state.last in BY_ORDER:
        says = f"{table} no longer takes writes of {move.name}@{move.after}."
        remedy = "Take that back first, with `interlock migration undo` of the change before, `--to switch`."
        return "migration.old_writes_stopped", says, remedy
    remedy = "Afterwards `interlock migration undo` of the change before takes the newer shape away."
    return BOTH_SHAPES, f"{table} has both {both}, so it need not be moved back.", remedy


def _table_move(workspace: Workspace, table: Table, move: PlannedMove) -> TableMove | tuple[str, str, str]:
    """The move, or why there is none: code, sentence, remedy."""
    before = workspace.contracts.get((move.name, move.before))
    after = workspace.contracts.get((move.name, move.after))
    database = workspace.databases.get(table.database)
    if before is None or after is None:
        lacks = f"{move.name}@{move.before}" if move.before else "which version its rows have"
        says = f"{table} is to move to {move.name}@{move.after}, but {lacks} is not known."
        remedy = "Declare both contract versions, and a service that reads or answers the present one."
        return "migration.unknown_version", says, remedy
    if database is None:
        return "database.unknown", f"no database is named {table.database!r}.", "Declare it in interlock.yaml."
    try:
        program = lens_path(workspace.lenses, move.name, move.before, move.after)
    except Missing as missing:
        return missing.code, f"{table} cannot be moved: {missing.message}.", missing.remedy
    lens = Lens(move.name, move.before, move.after, program)
    return TableMove(table, database.dialect, before, after, lens)


@dataclass(frozen=True, slots=True)
class TableSeen:
    """What a database told of a table of the plan. kept: None when nothing was begun; fault: why that is not
    known.
    """

    migration: Migration
    kept: Kept | None = None
    fault: str = ""

    @property
    def position(self) -> Position:
        """Where it stands in this migration; the beginning while another one has the table."""
        is_ours = self.kept is not None and self.kept.migration == digest(self.migration)
        return self.kept.position if self.kept is not None and is_ours else Position()

    @property
    def is_of_another(self) -> bool:
        """Whether another migration is under way, so that this one cannot begin."""
        return self.kept is not None and not self.kept.is_settled and self.kept.migration != digest(self.migration)

    def lacks(self, kind: StepKind) -> str:
        """Why not everything up to `kind` is done; empty when it is."""
        return self.fault or lacking(self.migration, self.position, kind)

    @property
    def is_idle(self) -> bool:
        """Whether nobody is at it."""
        return not self.fault and (self.kept is None or self.kept.held is None)


def tables_lack(plan: Plan, seen: Mapping[str, TableSeen], kind: StepKind) -> str:
    """Why not every table of the plan has done everything up to `kind`; empty when all have."""
    return "; ".join(_lacks(plan, seen, kind))


def _lacks(plan: Plan, seen: Mapping[str, TableSeen], kind: StepKind) -> Iterator[str]:
    for migration in plan.migrations:
        told = seen.get(place(migration))
        if told is None:
            yield f"where {migration.table} stands was not asked yet"
        elif lacks := told.lacks(kind):
            yield f"{lacks}; nobody is at it (`interlock migration run {plan.change}`)" if told.is_idle else lacks


def place(migration: Migration) -> str:
    """`database.table`: what a migration is known by within a plan."""
    return f"{migration.database}.{migration.table}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """How far a plan's migrations may go now. forward: everything up to this kind may be done without a further
    order; ordered: so far with one; back: nothing up to this kind may be undone, anything may when it is None.
    because: why not further; is_over: this rollout will not allow more.
    """

    forward: StepKind | None
    ordered: StepKind | None = None
    back: StepKind | None = None
    because: str = ""
    is_over: bool = False

    def may_do(self, kind: StepKind, is_ordered: bool) -> bool:
        limit = self.ordered if is_ordered and self.ordered else self.forward
        return limit is not None and ORDER.index(kind) <= ORDER.index(limit)

    def may_undo(self, kind: StepKind) -> bool:
        return self.back is None or ORDER.index(kind) > ORDER.index(self.back)


def allowed(plan: Plan, position: RolloutPosition | None, is_served: bool) -> Allowed:
    """By the newest rollout of the plan, None when there was none. is_served: the versions that the plan moved to
    are what serves now.
    """
    if position is None:
        return Allowed(BEFORE_TRAFFIC, because="the switch comes with promotion")
    if position.phase == "draining":
        because = "requests to the candidate are still under way"
        return Allowed(None, back="contract", because=because, is_over=True)
    if position.phase == "finished":
        if is_served:
            steward = "the old shape goes only by an explicit order: `interlock migration contract`"
            return Allowed(WITH_PROMOTION, BY_ORDER[-1], back=WITH_PROMOTION, because=steward, is_over=True)
        return Allowed(BEFORE_TRAFFIC, because="what the plan moved to serves nobody", is_over=True)
    match plan.stages[position.stage]:
        case Prepare():
            return Allowed(BEFORE_TRAFFIC, because="the switch comes with promotion")
        case Promote() | Retire():
            because = "the old shape stays until the rollout has ended"
            return Allowed(WITH_PROMOTION, back=WITH_PROMOTION, because=because)
        case _:
            because = "the candidate has traffic, and the switch comes with promotion"
            return Allowed(BEFORE_TRAFFIC, back=BEFORE_TRAFFIC, because=because)


def floor(migration: Migration, allowance: Allowed) -> int:
    """How many steps must stay done."""
    return 0 if allowance.back is None else reach(migration, allowance.back)
