"""Gates from the command line and by webhook, with real traffic through a real Envoy."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.journey import Journey, journey


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Journey]:
    with journey(tmp_path) as made:
        yield made


def hook(system: Journey, name: str, kind: str) -> int:
    """What Go's client sends for http://flagger:TOKEN@host/ with Flagger's payload; the status of the answer."""
    token = (system.root / ".interlock/token").read_text().strip()
    body = {
        "name": "scoring",
        "namespace": "test",
        "phase": "Progressing",
        "checksum": "85d557f47b",
        "metadata": {},
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{system.ports['api']}/v1/gates/{name}?type={kind}",
        json.dumps(body).encode(),
        {
            "content-type": "application/json",
            "authorization": "Basic " + b64encode(f"flagger:{token}".encode()).decode(),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def test_gates_are_explained_measured_and_judged_again(system: Journey) -> None:
    """Power measures the traffic, explain follows the rollout, and its blocks are judged again offline."""
    system.up()
    system.approve_all()
    with system.callers(path="/scoring/score"):
        system.until(lambda: len(system.answers) > 60)
        power = system.json("gate", "power", "better", "--weights", "20%", "--horizon-s", "120")
        traffic = power["traffic"]["scoring"]
        assert traffic["sources"] == {"rate": "measured", "bad": "measured", "latency": "measured"}
        assert 10 < traffic["rate_rps"] < 200
        rollout = system.json("rollout", "start", "better", person="ana")["id"]
        system.until(lambda: system.status()["rollouts"][0]["weight_bp"] > 0)
        code, said = system.run("gate", "explain", "better")
        assert code in (0, 4), said
        assert hook(system, rollout, "rollback") == 409
        assert system.run("status", "--watch")[0] == 0
    code, said = system.run("gate", "explain", rollout)
    assert code == 0, said
    assert "scoring/errors: pass" in said
    assert hook(system, rollout, "confirm-promotion") == 200
    code, lines = system.run("gate", "blocks", rollout)
    assert code == 0, lines
    recorded = system.root / "blocks.jsonl"
    recorded.write_text(lines)
    system.stop()
    code, said = system.run("gate", "backtest", str(recorded), "--splits", "5")
    assert code == 0, said
    assert "0 of 5 failed" in said
