"""A user's journeys, from a workspace on disk to an ended rollout, with the real command line and a real Envoy."""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.echo import call
from support.journey import Journey, journey
from support.postgres import embedded_postgres

CALLS = "/scoring/score"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Journey]:
    with journey(tmp_path) as made:
        yield made


def served(system: Journey, release: str) -> int:
    return sum(1 for _, r in system.answers if r == release)


def test_plan_approve_rollout_watch_audit(system: Journey) -> None:
    """The whole way: refused while unapproved, promoted afterwards, no caller ever failed."""
    system.up()
    assert stat.S_IMODE((system.root / ".interlock/token").stat().st_mode) == 0o600
    plan = system.json("plan", "better")
    assert plan["digest"].startswith("sha256:")
    code, said = system.run("rollout", "start", "better", person="ana")
    assert code == 3
    assert "not approved" in said
    system.approve_all()
    with system.callers():
        started = system.json("rollout", "start", "better", person="ana")
        code, said = system.run("status", "--watch")
    assert code == 0, said
    assert "promoted" in said
    assert {status for status, _ in system.answers} == {200}
    assert served(system, started["candidate"]) > 20
    assert system.status()["versions"]["scoring"] == "2"
    verified = system.json("audit", "verify")
    assert verified["audit"] == "verified"


def test_a_failing_candidate_is_turned_back_and_no_caller_sees_it(system: Journey) -> None:
    """The candidate begins to answer 500; callers are served by the baseline, and the receipt replays."""
    system.up()
    system.approve_all()
    with system.callers(path=CALLS):
        rollout = system.json("rollout", "start", "better", person="ana")
        system.until(lambda: system.status()["rollouts"][0]["weight_bp"] > 0)
        system.services["scoring_2"].status = 500
        code, said = system.run("status", "--watch")
    assert code == 3
    assert "rolled_back" in said
    assert {status for status, _ in system.answers} == {200}
    assert system.status()["versions"]["scoring"] == "1"
    names = system.json("gate", "receipts", rollout["id"])
    _, receipt = system.run("gate", "receipt", names[-1]["name"])
    kept = system.root / "receipt.json"
    kept.write_text(receipt)
    assert system.json("gate", "replay", str(kept))["is_same"]
    kept.write_text(receipt.replace('"requests":', '"requests": ', 1))
    assert system.run("gate", "replay", str(kept))[0] == 3


def test_kill_9_of_the_control_plane_keeps_traffic_and_the_rollout_goes_on(system: Journey) -> None:
    """Killed in the middle of a canary: callers notice nothing, the restart finishes what was begun."""
    system.up()
    system.approve_all()
    with system.callers():
        system.json("rollout", "start", "better", person="ana")
        system.until(lambda: system.status()["rollouts"][0]["weight_bp"] > 0)
        pid = system.envoy_pid()
        system.stop(signal.SIGKILL)
        before = len(system.answers)
        system.until(lambda: len(system.answers) > before + 60)
        system.up()
        assert system.envoy_pid() == pid
        code, said = system.run("status", "--watch")
    assert code == 0, said
    assert {status for status, _ in system.answers} == {200}


def test_kill_9_of_envoy_brings_it_back_with_the_same_routes(system: Journey) -> None:
    """A new process with the same snapshot, and the release that served before serves again."""
    system.up()
    routes, pid = system.status()["routes"], system.envoy_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    system.until(lambda: system.envoy_pid() not in (None, pid))
    with system.callers():
        system.until(lambda: (200, system.status()["release"]) in system.answers)
    assert system.status()["routes"] == routes


def test_an_edit_after_approval_voids_it_and_names_the_part(system: Journey) -> None:
    """Another endpoint is another plan: refused, with what changed."""
    system.up()
    system.approve_all()
    text = (system.root / "interlock.yaml").read_text()
    (system.root / "interlock.yaml").write_text(text.replace("dwell_s: 2s", "dwell_s: 3s"))
    code, said = system.run("rollout", "start", "better", person="ana")
    assert code == 3
    assert "dwell_s: 2.0 -> 3.0" in said


def test_orders_from_the_command_line(system: Journey) -> None:
    """pause, resume and abort do what they say, and name who said so."""
    system.up()
    system.approve_all()
    with system.callers():
        system.json("rollout", "start", "better", person="ana")
        system.json("pause", "--because", "lunch", person="ana")
        system.until(lambda: system.status()["rollouts"][0]["is_paused"])
        assert "lunch" in system.status()["rollouts"][0]["because"]
        system.json("resume", person="ana")
        system.json("abort", "better", person="ana")
        code, said = system.run("status", "--watch")
    assert code == 3
    assert "aborted" in said
    assert "ana" in {e["actor"] for e in system.json("audit", "log")}


def test_a_personal_token_speaks_for_its_person_alone(system: Journey) -> None:
    """With ben's token nobody approves as ana."""
    system.up()
    issued = system.json("token", "new", "ben")
    token = system.root / ".interlock/token"
    token.write_text(issued["token"])
    assert system.run("approve", "better", "--role", "change-sponsor", "--as", "ana")[0] == 3
    assert system.run("approve", "better", "--role", "data-steward")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["plan", "bettr"], 3, "Did you mean 'better'?"),
        (["approve", "better", "--role", "change-sponsor", "--as", "eve"], 3, "their own change"),
        (["approve", "better", "--role", "change-sponsor", "--as", "dan"], 3, "Who may approve: ana"),
        (["rollout", "show", "nothing"], 3, "no rollout"),
        (["impact", "servic:front"], 2, "kind:name"),
        (["abort"], 2, "name the rollout"),
        (["change", "new", "x", "--move", "front=2"], 2, "KIND:NAME=VERSION"),
        (["change", "new", "x", "--move", "service:front=9"], 0, "wrote"),
    ],
)
def test_what_is_wrong_is_said(shared: Journey, arguments: list[str], code: int, says: str) -> None:
    """Exit code by the table, and a message that helps."""
    got, said = shared.run(*arguments)
    assert (got, says in said) == (code, True), said


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    with journey(tmp_path_factory.mktemp("shared")) as made:
        made.up()
        yield made


def test_without_a_control_plane_commands_say_so(system: Journey) -> None:
    """A tool failure is exit code 1, never a yes or a no."""
    code, said = system.run("status")
    assert code == 1
    assert "interlock up" in said


def test_a_broken_workspace_is_told_with_file_and_line(system: Journey) -> None:
    """`up` refuses to start, and names where."""
    text = (system.root / "interlock.yaml").read_text()
    (system.root / "interlock.yaml").write_text(text.replace("edge: true", "egde: true", 1))
    code, said = system.run("up")
    assert code == 2
    assert "interlock.yaml:14" in said
    assert "edge" in said
    assert system.run("validate")[0] == 2


def test_the_api_s_port_in_use_is_said_before_anything_starts(system: Journey) -> None:
    """Exit code 1, the address, and what to do; no Envoy is left behind."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", system.ports["api"]))
        taken.listen()
        code, said = system.run("up")
    assert code == 1
    assert f"127.0.0.1:{system.ports['api']}" in said
    assert not (system.root / ".interlock/envoy/process.json").exists()


def test_the_edge_s_port_in_use_is_said(system: Journey) -> None:
    """The same for the address where callers come in."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", system.ports["edge"]))
        taken.listen()
        code, said = system.run("up")
    assert code in (1, 3)
    assert str(system.ports["edge"]) in said


def test_the_same_workspace_runs_on_postgres(system: Journey) -> None:
    """Only the store's address differs; the change is promoted and the chain verifies."""
    with embedded_postgres() as address:
        system.up("--store", address)
        system.approve_all()
        with system.callers():
            system.json("rollout", "start", "better", person="ana")
            code, said = system.run("status", "--watch")
        assert code == 0, said
        assert system.json("audit", "verify")["audit"] == "verified"
        assert not (system.root / ".interlock/state.db").exists()
        system.stop()


def test_every_answer_of_the_api_needs_a_token(shared: Journey) -> None:
    """Without one, and with a wrong one, a problem document with 401; the OpenAPI document is open."""
    for headers in ({}, {"authorization": "Bearer wrong"}):
        answer = call(shared.ports["api"], "/v1/status", method="GET", headers=headers)
        assert answer.status == 401
        assert answer.headers["content-type"] == "application/problem+json"
    document = call(shared.ports["api"], "/openapi.json", method="GET").json
    assert "/v1/rollouts" in document["paths"]
