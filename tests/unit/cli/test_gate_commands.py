"""`interlock gate`: offline commands on a starter workspace, the others against the API in memory."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interlock.adapters.workspace.template import write_template
from interlock.cli.api import Api
from interlock.cli.gate_plot import power_plot
from interlock.cli.gate_text import explained
from interlock.cli.main import interlock
from interlock.domain.gates.power import Reach
from interlock.domain.gates.profile import Harm
from interlock.kernel.errors import InterlockError
from support.gate_world import GateWorld


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """What `interlock init` writes; nothing runs."""
    write_template(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GateWorld]:
    """A control plane in memory that the command line speaks to."""
    made = GateWorld(tmp_path)

    def raw(self: Api, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        answer = made.client.request(method, "/v1" + path, json=body)
        return answer.status_code, answer.content

    monkeypatch.setattr(Api, "raw", raw)
    yield made
    made.close()


def run(workspace: Path, *arguments: str) -> Result:
    return CliRunner().invoke(interlock, ["-C", str(workspace), "gate", *arguments])


def told(result: Result) -> Any:
    """The JSON document on standard output."""
    return json.loads(result.stdout)


def test_power_needs_no_control_plane_and_says_what_it_assumed(shop: Path, tmp_path: Path) -> None:
    """A grid of differences at the change's weights, in JSON, in a table and in a picture."""
    made = run(shop, "power", "first", "--rate", "200", "--plot", str(tmp_path / "power.svg"), "-o", "json")
    assert made.exit_code == 0, made.output
    document = told(made)
    assert document["traffic"]["scorer"]["sources"] == {"rate": "given", "bad": "assumed", "latency": "assumed"}
    rows = {(r["difference"], r["weight_bp"]): r for r in document["rows"]}
    assert rows["no difference", 500]["verdict"] == "pass"
    assert rows["scorer: total failure", 500]["verdict"] == "fail"
    assert rows["scorer: total failure", 500]["seconds"] <= 8
    assert ElementTree.parse(tmp_path / "power.svg").getroot().tag.endswith("svg")
    table = run(shop, "power", "first", "--rate", "200", "--weights", "10%,20%", "--bad", "0.02")
    assert "10 %" in table.stdout
    assert "2.00% bad (given)" in table.stdout


def test_power_measures_the_traffic_of_a_running_control_plane(
    shop: Path, world: GateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,000 requests/s between two looks, with the share of bad answers and the latency seen so far."""
    renamed = (shop / "services" / "scorer.yaml").read_text().replace("name: scorer", "name: scoring")
    (shop / "services" / "scorer.yaml").write_text(renamed)
    for path in shop.rglob("*.yaml"):
        path.write_text(
            path.read_text().replace("service: scorer", "service: scoring").replace("[scorer]", "[scoring]")
        )
    world.seconds(5)
    monkeypatch.setattr("interlock.cli.gate_worlds.time.sleep", lambda seconds: world.seconds(int(seconds)))
    document = told(run(shop, "power", "first", "--weights", "50%", "--horizon-s", "60", "-o", "json"))
    traffic = document["traffic"]["scoring"]
    assert traffic["sources"] == {"rate": "measured", "bad": "measured", "latency": "measured"}
    assert traffic["rate_rps"] == pytest.approx(2_000)
    assert traffic["latency_ms"][0] == pytest.approx(8.4, rel=0.1)


def test_without_a_rate_nothing_is_guessed(shop: Path) -> None:
    """The error says what to give."""
    made = run(shop, "power", "first")
    assert isinstance(made.exception, InterlockError)
    assert (made.exception.code, made.exception.exit_code) == ("rate.unknown", 2)
    assert run(shop, "power", "first", "--rate", "9", "--weights", "5%,x").exit_code == 2


def test_simulate_tells_false_rollbacks_and_misses(shop: Path) -> None:
    """The same seed gives the same figures; a total failure is never promoted."""
    runs = [run(shop, "simulate", "first", "--rate", "50", "--runs", "2", "-o", "json") for _ in range(2)]
    assert runs[0].exit_code == 0, runs[0].output
    assert runs[0].stdout == runs[1].stdout
    rows = {r["fault"]: r for r in told(runs[0])["rows"]}
    assert rows["total failure"]["rolled_back"] == 2
    assert rows["none"]["worse_answers_median"] is None
    text = run(shop, "simulate", "first", "--rate", "50", "--runs", "1", "--limit-s", "60")
    assert "false rollbacks: 0 of 1" in text.stdout
    assert run(shop, "simulate", "first", "--rate", "50", "--service", "nobody").exit_code == 2


def test_explain_exits_by_the_verdict(world: GateWorld, tmp_path: Path) -> None:
    """4 while it is undecided, 3 when it failed; the text holds rule, numbers, distances and what is missing."""
    rollout = world.begin()
    world.seconds(4, requests=20)
    early = run(tmp_path, "explain", "better")
    assert early.exit_code == 4, early.output
    for word in ("passes when", "fails when", "candidate", "baseline", "of the way", "must be at most", "missing"):
        assert word in early.stdout
    assert "more requests of the candidate" in early.stdout
    world.seconds(60, bad={rollout.candidate: 0.4})
    late = run(tmp_path, "explain", rollout.id, "-o", "json")
    assert (late.exit_code, told(late)["verdict"]["kind"]) == (3, "fail")


def test_explain_exits_0_when_the_gates_pass(world: GateWorld, tmp_path: Path) -> None:
    """A promoted rollout's gates passed, and stay so."""
    world.begin()
    world.seconds(80)
    assert run(tmp_path, "explain", "better").exit_code == 0


def test_recorded_blocks_are_judged_again_from_the_api_and_from_a_file(world: GateWorld, tmp_path: Path) -> None:
    """Both say the same; a wider margin and another alpha change the verdict or its time."""
    rollout = world.begin()
    world.seconds(30, requests=200, bad={rollout.candidate: 0.08, rollout.baseline: 0.04})
    lines = run(tmp_path, "blocks", rollout.id).stdout
    path = tmp_path / "blocks.jsonl"
    path.write_text(lines)
    direct, read = (run(tmp_path, "backtest", of, "--splits", "3", "-o", "json") for of in (rollout.id, str(path)))
    assert told(direct) == told(read)
    assert told(direct)["baseline"]["runs"] == 3
    assert direct.exit_code == {"pass": 0, "fail": 3, "undecided": 4}[told(direct)["turns"][-1]["verdict"]]
    wide = told(
        run(tmp_path, "backtest", str(path), "--margin", "errors=30%", "--margin", "latency=50%", "-o", "json")
    )
    assert any(t["verdict"] == "pass" for t in wide["turns"])
    text = run(tmp_path, "backtest", str(path), "--alpha", "0.001", "--by", "blocks", "--splits", "2")
    assert "baseline against itself, split by blocks" in text.stdout
    assert "0.10% of rollouts" in text.stdout


def test_a_backtest_refuses_what_it_cannot_read(world: GateWorld, tmp_path: Path) -> None:
    """A file that is no recording, a margin that is no number, a gate that is not there."""
    (tmp_path / "other.jsonl").write_text("hello\n")
    assert run(tmp_path, "backtest", str(tmp_path / "other.jsonl")).exit_code == 2
    (tmp_path / "empty.jsonl").write_text("")
    assert run(tmp_path, "backtest", str(tmp_path / "empty.jsonl")).exit_code == 2
    rollout = world.begin()
    world.seconds(6)
    assert run(tmp_path, "backtest", rollout.id, "--margin", "errors").exit_code == 2
    unknown = run(tmp_path, "backtest", rollout.id, "--margin", "eror=2%")
    assert isinstance(unknown.exception, InterlockError)


def test_the_picture_marks_each_verdict_in_its_own_way() -> None:
    """A filled circle, an open one, an arrow; names are escaped, and it follows light and dark."""
    harm = Harm("a < b", "s")
    reaches = [Reach(harm, w, v, 10.0 * w, 5, 0.0) for w, v in ((1, "fail"), (2, "pass"), (3, "undecided"))]  # type: ignore[arg-type] # literals
    drawn = power_plot("power", reaches, 3_600.0)
    root = ElementTree.fromstring(drawn)
    tags = [e.tag.rpartition("}")[2] for e in root.iter()]
    assert tags.count("polygon") == 1
    assert drawn.count('class="mark pass"') == 1
    assert "prefers-color-scheme: dark" in drawn
    assert "a &lt; b" in drawn


def test_explain_says_what_is_missing_where_no_figure_is_known(world: GateWorld, tmp_path: Path) -> None:
    """Nobody has called yet; and evidence just short of proof is not all of the way."""
    world.begin()
    world.seconds(4, requests=0)
    text = run(tmp_path, "explain", "better").stdout
    assert "missing      requests of both releases to compare" in text
    view = told(run(tmp_path, "explain", "better", "-o", "json"))
    view["evidence"]["way_to_fail"] = 0.997
    assert "(99% of the way)" in "\n".join(explained(view))
