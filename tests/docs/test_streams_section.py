"""The commands of the section on streams in docs/lenses.md run, one after the other, against a real server."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from interlock.adapters.streams.meter import exposition
from interlock.adapters.workspace.template import write_template
from interlock.engine.relay import Counts
from support.brokers import nats_server

PAGE = (Path(__file__).parents[2] / "docs" / "lenses.md").read_text()
SECTION = PAGE.split("\n## Streams\n")[1].split("\n## ")[0]


def test_the_commands_of_the_section_run(tmp_path: Path) -> None:
    """Each until nothing waits; what the second gives back is what the first was given."""
    write_template(tmp_path)
    lines = [line.removeprefix("$ ") for line in re.findall(r"^\$ interlock .*", SECTION, re.MULTILINE)]
    assert len(lines) == 3
    with nats_server(tmp_path / "nats") as server:
        for stream, subject in (("ORDERS", "orders.new"), ("NEXT", "orders.v2"), ("BACK", "orders.v1")):
            server.stream(stream, [subject, f"{subject}.dead"])
        server.stream("CANARY", ["orders.mixed", "orders.mixed.dead"])
        body = {"order_id": "1", "country": "PE", "basket": 3}
        server.publish([("orders.new", json.dumps(body).encode(), {"baggage": "interlock.release=r7f"})])
        for line in lines:
            _, *arguments = shlex.split(line.replace("nats://127.0.0.1:4222", server.url))
            command = [str(Path(sys.executable).with_name("interlock")), "-C", str(tmp_path), *arguments, "--once"]
            subprocess.run(command, check=True)
        bodies = {stream: json.loads(server.kept(stream)[0].body) for stream in ("NEXT", "BACK", "CANARY")}
        assert bodies["BACK"] == body
        assert bodies["NEXT"] == bodies["CANARY"]
        assert bodies["NEXT"]["articles"] == 3


def test_every_metric_is_named() -> None:
    """In the section, as it is served."""
    served = set(re.findall(r"^(interlock_relay_\w+)", exposition("r", Counts(behind=0)), re.MULTILINE))
    assert served == set(re.findall(r"`(interlock_relay_\w+)`", SECTION))
