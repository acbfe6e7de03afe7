from __future__ import annotations

from interlock.domain.catalog.asset import Asset, AssetId, Kind, Link
from interlock.domain.catalog.graph import graph_of
from interlock.domain.catalog.impact import impact

FEATURES = AssetId(Kind.CONTRACT, "flight-features")
PREDICTOR = AssetId(Kind.SERVICE, "delay-predictor")
REBOOKING = AssetId(Kind.SERVICE, "rebooking")
BOARD = AssetId(Kind.DASHBOARD, "board")
GRAPH = graph_of(
    [Asset(REBOOKING, "sam")],
    [
        Link(FEATURES, PREDICTOR, "reads"),
        Link(PREDICTOR, REBOOKING, "calls"),
        Link(REBOOKING, BOARD, "depends on"),
        Link(FEATURES, BOARD, "depends on"),
    ],
)


def test_a_shortest_path_explains_each_affected_asset() -> None:
    """Impact lists every asset downstream, nearest first, with a sentence that reads from it to the change."""
    found = impact(GRAPH, [FEATURES])
    assert [one.says for one in found] == [
        "board is affected: board depends on flight-features",
        "delay-predictor is affected: delay-predictor reads flight-features",
        "rebooking is affected: rebooking calls delay-predictor, which reads flight-features",
    ]


def test_path_runs_from_the_change_to_the_asset() -> None:
    """The path, its length and the owner belong to the affected asset."""
    rebooking = impact(GRAPH, [FEATURES])[-1]
    assert [link.downstream for link in rebooking.path] == [PREDICTOR, REBOOKING]
    assert (rebooking.owner, rebooking.distance) == ("sam", 2)


def test_what_changes_is_not_called_affected() -> None:
    """Changed assets are left out, and assets between them are explained by the nearest one."""
    found = impact(GRAPH, [FEATURES, PREDICTOR])
    assert [(str(one.asset), one.distance) for one in found] == [("dashboard:board", 1), ("service:rebooking", 1)]
