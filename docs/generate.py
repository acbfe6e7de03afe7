"""Writes docs/reference.md from the code: commands, errors, documents, HTTP routes. `make docs` runs it."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click

import interlock
from interlock.adapters.schemas.compute import Engine, lacks
from interlock.adapters.web.app import build_app
from interlock.adapters.workspace.kinds import KINDS
from interlock.cli.main import interlock as root
from interlock.domain.lenses.apply import as_json
from interlock.domain.lenses.expressions.describe import described_functions
from interlock.kernel.errors import InterlockError

TARGET = Path(__file__).with_name("reference.md")


def reference() -> str:
    """The whole page."""
    parts = ["# Reference", "Made from the code by `make docs`; a test keeps it true.", *_commands(), *_exits()]
    return "\n\n".join([*parts, *_errors(), *_kinds(), *_expressions(), *_routes()]) + "\n"


def _commands() -> Iterator[str]:
    yield "## Commands"
    rows = ["| command | what it does |", "|---|---|"]
    rows += [f"| `interlock {name}` | {_first_line(c.help)} |" for name, c in _walk(root, "")]
    yield "\n".join(rows)
    yield "Every command answers `--help`; every command that tells something takes `--output json`."


def _walk(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _walk(command, f"{prefix}{name} ")
        else:
            named = (p for p in command.params if isinstance(p, click.Argument))
            arguments = " ".join(p.make_metavar(click.Context(command)) for p in named)
            yield f"{prefix}{name} {arguments}".strip(), command


def _exits() -> Iterator[str]:
    yield "## Exit codes"
    rows = ["| code | meaning |", "|---|---|", "| 0 | done, or yes |"]
    rows += [
        "| 1 | the tool failed: crash, network, store |",
        "| 2 | usage, or invalid input |",
        "| 3 | no: failed, incompatible, refused, not approved, missing |",
    ]
    yield "\n".join([*rows, "| 4 | undecided, more evidence is needed |"])


def _errors() -> Iterator[str]:
    yield "## Errors"
    yield "Over HTTP each is a problem document (RFC 9457) whose `title` is the code."
    rows = ["| code | HTTP | exit | meaning |", "|---|---|---|---|"]
    known = {c.code: c for c in _subclasses(InterlockError)}
    rows += [
        f"| `{code}` | {c.status} | {c.exit_code} | {_first_line(c.__doc__)} |" for code, c in sorted(known.items())
    ]
    yield "\n".join(rows)


def _subclasses(parent: type[InterlockError]) -> Iterator[type[InterlockError]]:
    for module in pkgutil.walk_packages(interlock.__path__, "interlock."):
        if ".store.migrations." not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    pending = [parent]
    while pending:
        found = pending.pop()
        pending += found.__subclasses__()
        if found is not parent and found.__module__.startswith("interlock."):
            yield found


def _kinds() -> Iterator[str]:
    yield "## Documents"
    yield "One YAML document per thing, in any file of the workspace. `interlock init` writes JSON Schemas."
    for kind, schema in sorted(KINDS.items()):
        yield f"### {kind}"
        yield str(schema.get("description", ""))
        required = set(schema.get("required", []))
        rows = ["| field | required | meaning |", "|---|---|---|"]
        rows += [
            f"| `{name}` | {'yes' if name in required else ''} | {_cell(body)} |"
            for name, body in schema.get("properties", {}).items()
        ]
        yield "\n".join(rows)
        if kind == "Lens":
            yield from _lens_ops(schema["$defs"]["op"]["properties"])


def _lens_ops(ops: dict[str, Any]) -> Iterator[str]:
    yield "The ops; what stands in brackets may be left out."
    rows = ["| op | with | what it does |", "|---|---|---|"]
    for name, body in ops.items():
        keys = (key if key in body["required"] else f"[{key}]" for key in body["properties"])
        rows.append(f"| `{name}` | {', '.join(f'`{key}`' for key in keys)} | {_cell(body)} |")
    yield "\n".join(rows)


def _expressions() -> Iterator[str]:
    yield "## Expressions"
    yield (
        "What lenses and row checks compute with; text is parsed, never run. A function of NULL is NULL unless the "
        "table says otherwise. Not on: engines of tables that refuse it when a plan is made, since they cannot do "
        "it exactly."
    )
    rows = ["| example | type | value | NULL when | not on |", "|---|---|---|---|---|"]
    for one in described_functions():
        lacking = ", ".join(engine for engine in get_args(Engine) if lacks(one.expr, engine))
        value = json.dumps(as_json(one.value, one.expr.type), ensure_ascii=False)
        rows.append(f"| {_code(one.example)} | {one.type} | {_code(value)} | {one.null} | {lacking} |")
    yield "\n".join(rows)


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _routes() -> Iterator[str]:
    yield "## HTTP API"
    yield "The OpenAPI document is at `/openapi.json`, a page for it at `/docs`. All but `/v1/health` need a token."
    document = build_app(None).openapi()  # type: ignore[arg-type] # routes alone; nothing is served
    rows = ["| route | what it does |", "|---|---|"]
    for path, methods in sorted(document["paths"].items()):
        for method, body in methods.items():
            rows.append(f"| `{method.upper()} {path}` | {_first_line(body.get('description'))} |")
    yield "\n".join(rows)


def _cell(body: dict[str, Any]) -> str:
    return str(body.get("description", "")).replace("|", "\\|")


def _first_line(text: str | None) -> str:
    return inspect.cleandoc(text or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    TARGET.write_text(reference())
