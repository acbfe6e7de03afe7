"""Migration rules of schema registries: the `migrationRules` of a schema's `ruleSet` (Confluent's data contracts).

A rule of kind TRANSFORM and type JSONATA has an expression that takes a record of the version before to this one
(mode UPGRADE), back (DOWNGRADE), or both alike (UPDOWN). The rules stand at the newer of two versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.migration_rules_ops import program_as_jsonata
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.schemas.contract import Contract
from interlock.kernel.finding import Finding, Severity

Rule = Mapping[str, Any]


def rules_of(lens: Lens, older: Contract, newer: Contract) -> tuple[dict[str, Any], list[Finding]]:
    """The lens as a `ruleSet`, and why it cannot be one: each op that JSONata cannot do the same, with the reason.
    The document is empty when there is any.
    """
    rules, findings = [], []
    ways = (("UPGRADE", lens.ops, older), ("DOWNGRADE", reversed_ops(lens.ops), newer))
    for mode, program, source in ways:
        text, refusals = program_as_jsonata(program, source.fields)
        findings += [_refused(lens, mode, why) for why in refusals]
        ends = (lens.older, lens.newer) if mode == "UPGRADE" else (lens.newer, lens.older)
        rules.append(
            {
                "name": f"{lens.contract}-{mode.lower()}-{ends[0]}-{ends[1]}".replace(".", "-"),
                "doc": f"{lens.contract}: version {ends[0]} to {ends[1]}",
                "kind": "TRANSFORM",
                "mode": mode,
                "type": "JSONATA",
                "expr": text,
            }
        )
    return ({} if findings else {"migrationRules": rules}), findings


def _refused(lens: Lens, mode: str, why: str) -> Finding:
    says = f"the {mode} rule cannot be written in JSONata: {why}"
    remedy = "Translate by the lens itself: in the path, in batches, or with `interlock lens relay`."
    return Finding("lens.not_in_jsonata", Severity.ERROR, lens.subject, says, remedy, lens.where)


def rules_in(document: Any) -> tuple[Rule, ...] | None:
    """The migration rules of a document: a list, a `ruleSet`, or a schema as registries answer it. None when it
    holds none.
    """
    match document:
        case [*rules] if rules and all(isinstance(one, Mapping) and "expr" in one for one in rules):
            return tuple(rules)
        case {"migrationRules": [*rules]}:
            return rules_in(rules)
        case {"ruleSet": inner} | {"rule_set": inner}:
            return rules_in(inner)
        case _:
            return None
