"""Finds declared checks and runs them: functions marked with `interlock.check` in Python files, YAML of kind Check.

Python files are executed, so run only what you trust. A file that cannot be imported is one Undecided result that
says why. A function that needs fixtures is Undecided too: pytest runs it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from interlock.adapters.load import Bounds, http_call, run_load
from interlock.adapters.workspace.located_yaml import Located, read_documents
from interlock.adapters.workspace.misfits import check_shape
from interlock.checking.declare import declared
from interlock.checking.rows import Row, read_rows
from interlock.domain.checks.check import Check, CheckInvalid, CheckResult, Measurement, perform
from interlock.domain.checks.declared import CHECK_SCHEMA, demands, load_limits, measure
from interlock.domain.checks.measures.load import load
from interlock.kernel.finding import Finding

_SUFFIXES = (".py", ".yaml", ".yml")


def run_paths(paths: Iterable[Path], subject: str = "") -> list[CheckResult]:
    """All checks of files and directories (searched in depth, hidden ones apart), in the order of their paths.

    subject: for checks that name none. CheckInvalid when a path is not there or a YAML document is wrong; then
    no check is run.
    """
    return [perform(check) for check in list(find_checks(paths, subject))]


def find_checks(paths: Iterable[Path], subject: str = "") -> Iterator[Check]:
    """The checks that `run_paths` runs."""
    for path in _files(paths):
        yield from _in_python(path, subject) if path.suffix == ".py" else _in_yaml(path)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            if path.suffix not in _SUFFIXES:
                raise CheckInvalid("holds no checks", remedy="Name a .py or .yaml file.", where=str(path))
            yield path
        elif path.is_dir():
            inside = (p for p in path.rglob("*") if p.suffix in _SUFFIXES and p.is_file())
            yield from sorted(p for p in inside if not _is_hidden(p.relative_to(path)))
        else:
            raise CheckInvalid("is not there", remedy="Name a file or a directory of checks.", where=str(path))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part in ("__pycache__", "node_modules") for part in path.parts)


def _in_python(path: Path, subject: str) -> Iterator[Check]:
    try:
        module = _imported(path)
    except KeyboardInterrupt:
        raise
    except BaseException as fault:  # whatever the file raises; sys.exit(0) must not look like success
        yield Check(path.stem, subject, _raising(fault), str(path))
        return
    for function in vars(module).values():
        mark = declared(function)
        if mark and getattr(function, "__module__", None) == module.__name__:
            line = inspect.unwrap(function).__code__.co_firstlineno
            yield Check(mark.name, mark.subject or subject, _callable_bare(function), f"{path}:{line}")


def _imported(path: Path) -> ModuleType:
    """The file as a module of its own name; its directory can be imported from, as with `python FILE`."""
    name = f"interlock_checks_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CheckInvalid("cannot be imported", where=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.insert(0, folder)
    spec.loader.exec_module(module)
    return module


def _raising(fault: BaseException) -> Callable[[], Any]:
    def measure_nothing() -> Any:
        raise fault

    return measure_nothing


def _callable_bare(function: Callable[..., Any]) -> Callable[[], Any]:
    """The function if it can be called without arguments, else one that says what can call it."""
    needed = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    if not needed:
        return function
    return _raising(CheckInvalid(f"needs {', '.join(needed)}", remedy="Run it with pytest, which has fixtures."))


def _in_yaml(path: Path) -> list[Check]:
    """The documents of kind Check in a file; other kinds are not meant for us."""
    documents, findings = read_documents(path.read_bytes(), str(path))
    checks = []
    for document in documents:
        body = document.plain(CHECK_SCHEMA)
        if not isinstance(body, Mapping) or body.get("kind") != "Check":
            continue
        found = check_shape("Check", body, document.locate, str(body.get("name", path.stem)))
        found = found or list(demands(body, document.locate))
        findings += found
        if not found:
            checks.append(_check_of(body, document, path.parent))
    if blocking := [finding for finding in findings if finding.is_blocking]:
        raise _invalid(blocking)
    return checks


def _check_of(body: Mapping[str, Any], document: Located, folder: Path) -> Check:
    return Check(body["name"], body["subject"], lambda: _measured(body, folder), document.locate(("name",)))


def _measured(body: Mapping[str, Any], folder: Path) -> Measurement:
    if body["measure"] == "load":
        asked = None if "body" not in body else json.dumps(body["body"]).encode()
        bounds = Bounds(**{key: body[key] for key in ("calls", "seconds", "threads") if key in body})
        return load(run_load(http_call(body["url"], asked), bounds, pid="none"), load_limits(body))
    files = {field: folder / body[field] for field in ("rows", "reference") if field in body}
    read: dict[str, list[Row]] = {field: read_rows(path) for field, path in files.items()}
    measured = measure(body, read["rows"], read.get("reference", ()))
    digests = {field: _digest(path) for field, path in files.items()}
    return dataclasses.replace(measured, facts={**measured.facts, "files": digests})


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _invalid(findings: list[Finding]) -> CheckInvalid:
    first, more = findings[0], len(findings) - 1
    says = first.says.rstrip(".") + (f" (and {more} more)" if more else "")
    return CheckInvalid(says, remedy=first.remedy, where=first.where, findings=findings)
