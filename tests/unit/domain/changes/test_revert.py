"""Going back in part: declared versions are found, missing ones are named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interlock.domain.catalog.service import ServiceVersion, VersionRef
from interlock.domain.changes.revert import NotReverted, Part, reverted
from interlock.domain.changes.workspace import Workspace
from support.world import workspace

MOVED = (
    ("contract", "amounts", "1", "2"),
    ("model", "risk", "1", "2"),
    ("service", "scoring", "1", "2"),
)


def with_hybrids() -> Workspace:
    """scoring also stands with the new model behind the old contract, and the other way round."""
    declared = workspace()
    scoring = declared.services["scoring"]
    versions = {
        **scoring.versions,
        "2-old-contract": ServiceVersion(("h:1",), VersionRef("amounts", "1"), None, VersionRef("risk", "2")),
        "2-old-model": ServiceVersion(("h:2",), VersionRef("amounts", "2"), None, VersionRef("risk", "1")),
    }
    return replace(declared, services={**declared.services, "scoring": replace(scoring, versions=versions)})


@pytest.mark.parametrize(
    ("part", "moves"),
    [
        ("all", ["contract:amounts 1", "model:risk 1", "service:scoring 1"]),
        ("model", ["model:risk 1", "service:scoring 2-old-model"]),
        ("contract", ["contract:amounts 1", "service:scoring 2-old-contract"]),
    ],
)
def test_each_part_goes_back_by_itself(part: Part, moves: list[str]) -> None:
    """By the declared version that joins one side's model with the other's contracts."""
    assert [f"{m} {m.to}" for m in reverted(with_hybrids(), MOVED, part)] == moves


def test_all_needs_no_other_version() -> None:
    """Everything goes to what it was before."""
    assert [m.to for m in reverted(workspace(), MOVED)] == ["1", "1", "1"]


def test_a_version_that_would_be_needed_is_named() -> None:
    """With the model and the contracts that it has to have."""
    with pytest.raises(NotReverted, match=r"holds risk@1, reads amounts@2 and answers nothing declared"):
        reverted(workspace(), MOVED, "model")


def test_what_did_not_move_cannot_go_back() -> None:
    """The person is told to take back all of it."""
    with pytest.raises(NotReverted, match="moved no model"):
        reverted(workspace(), (("service", "front", "1", "2"),), "model")


def test_what_was_new_has_nowhere_to_go_back_to() -> None:
    """Retiring it is another change."""
    with pytest.raises(NotReverted, match="is new with this change"):
        reverted(workspace(), (("service", "front", "", "1"),))


def test_a_service_or_version_that_is_gone_is_named() -> None:
    """What a change moved from is needed for the way back."""
    with pytest.raises(NotReverted, match="no longer declares version 0"):
        reverted(workspace(), (("model", "risk", "1", "2"), ("service", "scoring", "0", "2")), "model")
    with pytest.raises(NotReverted, match="ghost is no longer declared"):
        reverted(workspace(), (("model", "risk", "1", "2"), ("service", "ghost", "1", "2")), "model")
