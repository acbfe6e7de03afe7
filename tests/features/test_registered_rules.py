"""Migration rules that are registered with a schema become a lens, and a lens becomes rules that are registered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from jsonata import Jsonata

from interlock.adapters.workspace.template import write_template
from interlock.cli.main import interlock
from support.registry import ask, opened, served


def run(shop: Path, *arguments: str, given: str | None = None, exit_code: int = 0) -> Any:
    done = CliRunner().invoke(interlock, ["-C", str(shop), "lens", *arguments, "--output", "json"], input=given)
    assert done.exit_code == exit_code, (done.output, done.exception)
    return json.loads(done.stdout)


def schema(*names: str) -> str:
    fields = [{"name": name, "type": "int" if name in ("basket", "articles") else "string"} for name in names]
    return json.dumps({"type": "record", "name": "order", "fields": fields})


def test_rules_go_through_a_registry(tmp_path: Path) -> None:
    """Exported ones are registered and handed out unchanged; what a registry answers is read as it is."""
    shop = tmp_path / "shop"
    write_template(shop)
    exported = run(shop, "export", "order", "--as", "migration-rules")["ruleSet"]
    expr = "$merge([$sift($, function($v, $k) {$k != 'basket'}), {'articles': $.basket, 'channel': 'web'}])"
    by_hand = {
        "migrationRules": [{"name": "up", "kind": "TRANSFORM", "mode": "UPGRADE", "type": "JSONATA", "expr": expr}]
    }
    with opened(f"sqlite:///{tmp_path}/registry.db") as registry, served(registry) as url:
        ask(f"{url}/config", "PUT", {"compatibility": "NONE"})
        for subject, rules in (("exported", exported), ("by-hand", by_hand)):
            versions = f"{url}/subjects/{subject}/versions"
            assert ask(versions, "POST", {"schema": schema("order_id", "country", "basket")}).status == 200
            newer = {"schema": schema("order_id", "country", "articles", "channel"), "ruleSet": rules}
            assert ask(versions, "POST", newer).status == 200
        answers = {one: ask(f"{url}/subjects/{one}/versions/2").text for one in ("exported", "by-hand")}
    rules = json.loads(answers["exported"])["ruleSet"]["migrationRules"]
    assert Jsonata(rules[0]["expr"]).evaluate({"basket": 2}) == {"articles": 2, "channel": "web"}
    arguments = ("--as", "migration-rules", "--from", "order@1", "--to", "order@2")
    imported = run(shop, "import", "-", *arguments, given=answers["by-hand"])
    (shop / "lenses" / "order-1-2.yaml").write_text(imported["lens"].replace("status: draft\n", ""))
    assert run(shop, "check")["lenses"][0]["is_sound"]
