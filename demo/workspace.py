"""Fills in the ports of demo/workspace, so that a run can choose free ones."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template

TEMPLATE = Path(__file__).with_name("workspace")


def render(target: Path, addresses: Mapping[str, str], models: Path) -> Path:
    """Write the workspace to `target`, with the models beside their declaration, and return `target`.

    addresses: `edge`, `inner`, `api` and one per deployment (`delay_predictor_1`), each `host:port`.
    KeyError when the template names one that is not given.
    """
    shutil.rmtree(target, ignore_errors=True)
    for source in sorted(TEMPLATE.rglob("*.yaml")):
        written = target / source.relative_to(TEMPLATE)
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(Template(source.read_text()).substitute(addresses))
    for model in sorted(models.glob("delay-*.json")):
        shutil.copy(model, target / "models" / model.name)
    return target
