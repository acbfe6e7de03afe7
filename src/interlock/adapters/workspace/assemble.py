"""From located documents to a Workspace: each is read, then all are checked against one another. Pure.

A document with errors of its own is left out, and what mentions it is not blamed for that.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from interlock.adapters.workspace.behaviours import held_links, keepings_from, uses_from, writings_from
from interlock.adapters.workspace.databases import databases_from
from interlock.adapters.workspace.gate_specs import gates_from
from interlock.adapters.workspace.kinds import KINDS
from interlock.adapters.workspace.located_yaml import Located, MapNode, ScalarNode
from interlock.adapters.workspace.misfits import check_shape
from interlock.adapters.workspace.reading import Path, Reading
from interlock.adapters.workspace.translate import (
    asset_from,
    change_from,
    declared_links,
    metric_from,
    model_from,
    people_from,
    policy_from,
    service_from,
    service_links,
)
from interlock.domain.catalog.asset import Asset, AssetId, Kind, Link
from interlock.domain.catalog.check import Catalog, check_catalog, check_duplicates
from interlock.domain.catalog.consumer import Keeping, Use, Writing
from interlock.domain.catalog.database import Database, check_tables
from interlock.domain.catalog.service import ModelSpec, ServiceSpec
from interlock.domain.changes.checked import DeclaredCheck
from interlock.domain.changes.coherence import check_changes, check_lenses, check_uses
from interlock.domain.changes.request import Change, GateSpec
from interlock.domain.changes.revisions import check_revisions
from interlock.domain.changes.workspace import Policy, Workspace
from interlock.domain.checks.metric import Metric
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.parse import UNTYPED, lens_from
from interlock.domain.lenses.rows import row_findings
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.odcs import from_odcs
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import did_you_mean

ROOT_FILE = "interlock.yaml"
_SELF_CHECKING = ("DataContract", "Lens")  # `from_odcs` and `lens_from` say what is wrong with the shape
_NODE_KINDS = {"Service": Kind.SERVICE, "Model": Kind.MODEL, "DataContract": Kind.CONTRACT, "Lens": Kind.CONTRACT}


@dataclass(frozen=True, slots=True)
class Declaration:
    """One document of a known kind. `body` has the shape of its kind unless it `is_broken`."""

    kind: str
    document: Located
    body: Mapping[str, Any]
    is_broken: bool = False

    @property
    def asset(self) -> AssetId | None:
        """What it is about on the map (for a lens its contract); None without a name to go by."""
        name = self.body.get("contract" if self.kind == "Lens" else "name")
        if self.kind == "DataContract":
            name = name or self.body.get("id")
        text = self.body.get("type")
        kind = _NODE_KINDS.get(self.kind)
        if self.kind == "Asset":
            kind = next((k for k in Kind if k.value == text), None)
        return AssetId(kind, name) if kind and isinstance(name, str) else None

    def reading(self) -> Reading:
        name = self.asset or self.body.get("name") or PurePosixPath(self.document.file).stem
        return Reading(self.document.locate, str(name))


def declaration_of(document: Located) -> tuple[Declaration | None, list[Finding]]:
    """The declaration in `document`, if it is one, and what is wrong with its kind and shape."""
    kind, where = _kind_of(document), document.locate(("kind",))
    if kind is None:
        if isinstance(document.root, ScalarNode) and document.root.value is None:
            return None, []
        says = f"{document.file} has a document without kind:, so Interlock does not read it."
        remedy = f"Ignore this, or add kind: with one of {', '.join(KINDS)}."
        return None, [Finding("kind.absent", Severity.INFO, document.file, says, remedy, where)]
    if kind not in KINDS:
        return None, [_unknown_kind(document, kind, where)]
    body = document.plain(KINDS[kind])
    declaration = Declaration(kind, document, body)
    if kind in _SELF_CHECKING:
        return declaration, []
    findings = check_shape(kind, body, document.locate, declaration.reading().subject)
    return Declaration(kind, document, body, is_broken=bool(findings)), findings


def _kind_of(document: Located) -> str | None:
    if not isinstance(document.root, MapNode) or "kind" not in document.root.entries:
        return None
    _, node = document.root.entries["kind"]
    return node.text if isinstance(node, ScalarNode) else ""


def _unknown_kind(document: Located, kind: str, where: str) -> Finding:
    """A near miss is an error; a foreign kind (Deployment, ...) may well stand in the same directory."""
    is_near = bool(difflib.get_close_matches(kind, KINDS, n=1))
    severity = Severity.ERROR if is_near else Severity.WARNING
    says = f"Interlock knows no kind {kind!r}, so it does not read this document."
    return Finding("kind.unknown", severity, document.file, says, did_you_mean(kind, KINDS), where)


@dataclass(slots=True)
class _Assembly:
    """What has been read so far. `named`: every declared name with its place; `places`: whose lines are whose."""

    known: Mapping[str, set[Kind]]
    roots: list[Declaration] = field(default_factory=list)
    services: dict[str, ServiceSpec] = field(default_factory=dict)
    models: dict[str, ModelSpec] = field(default_factory=dict)
    contracts: dict[tuple[str, str], Contract] = field(default_factory=dict)
    lenses: list[Lens] = field(default_factory=list)
    changes: dict[str, Change] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    gates: dict[str, tuple[GateSpec, ...]] = field(default_factory=dict)
    checks: list[DeclaredCheck] = field(default_factory=list)
    assets: dict[AssetId, Asset] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    writings: list[Writing] = field(default_factory=list)
    keepings: list[Keeping] = field(default_factory=list)
    databases: dict[str, Database] = field(default_factory=dict)
    named: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    places: dict[AssetId, Located] = field(default_factory=dict)
    unread: set[AssetId] = field(default_factory=set)
    policy: Policy = field(default_factory=Policy)
    findings: list[Finding] = field(default_factory=list)

    def read(self, declaration: Declaration) -> None:
        reading = declaration.reading()
        if not declaration.is_broken:
            self.read_sound(declaration, reading)
            self.findings += reading.findings
        is_unread = declaration.is_broken
        if declaration.kind in _SELF_CHECKING:
            is_unread = any(finding.is_blocking for finding in reading.findings)
        if is_unread and (asset := declaration.asset):
            self.unread.add(asset)

    def read_sound(self, declaration: Declaration, reading: Reading) -> None:
        body = declaration.body
        match declaration.kind:
            case "Workspace":
                self.read_root(declaration, reading)
            case "Service":
                service = service_from(body, reading)
                if self.add(asset_from(Kind.SERVICE, body, reading), declaration):
                    self.services[service.name] = service
                    self.gates[service.name] = gates_from(body, reading, service.name)
                    self.links += service_links(service, reading)
                    self.mention(AssetId(Kind.SERVICE, service.name), "reads", "reads", body, reading)
            case "Model":
                model = model_from(body, reading)
                if self.add(asset_from(Kind.MODEL, body, reading), declaration):
                    self.models[model.name] = model
                    self.mention(AssetId(Kind.MODEL, model.name), "reads", "reads", body, reading)
            case "Asset":
                asset = asset_from(Kind(body["type"]), body, reading)
                if self.add(asset, declaration):
                    self.mention(asset.id, "depends_on", "depends on", body, reading)
                    self.read_held(asset.id, body, reading)
            case "DataContract":
                self.read_contract(declaration, reading)
            case "Lens":
                self.read_lens(body, reading)
            case "Metric":
                metric = metric_from(body, reading)
                if self.is_first(f"metric:{metric.name}", metric.where) and not reading.findings:
                    self.metrics[metric.name] = metric
            case "Check":
                self.checks.append(DeclaredCheck(body["name"], body["subject"], reading.locate(("name",))))
            case "Change":
                change = change_from(body, PurePosixPath(declaration.document.file).stem, reading)
                if self.is_first(f"change:{change.name}", change.where) and not reading.findings:
                    self.changes[change.name] = change

    def read_root(self, declaration: Declaration, reading: Reading) -> None:
        if declaration.document.file != ROOT_FILE:
            says = f"the document of kind Workspace stands in {declaration.document.file}."
            reading.reject((), says, f"Move it to {ROOT_FILE} in the root.")
        if self.is_first("the workspace", reading.locate(())):
            self.roots.append(declaration)
            self.policy = policy_from(declaration.body, reading)
            self.databases = databases_from(declaration.body, reading)

    def read_contract(self, declaration: Declaration, reading: Reading) -> None:
        contract, findings = from_odcs(declaration.body, reading.locate)
        findings += row_findings(contract, reading.locate)
        reading.findings += findings
        if contract is None or any(f.is_blocking for f in findings):
            return
        if not self.is_first(f"contract:{contract.name}@{contract.version}", contract.where):
            return
        self.contracts[contract.name, contract.version] = contract
        asset = AssetId(Kind.CONTRACT, contract.name)
        self.places.setdefault(asset, declaration.document)
        earlier = self.assets.get(asset, Asset(asset, where=contract.where))
        self.assets[asset] = Asset(asset, earlier.owner or contract.owner, "", earlier.where)

    def read_lens(self, body: Mapping[str, Any], reading: Reading) -> None:
        lens, findings = lens_from(body, reading.locate, self.contracts)
        if AssetId(Kind.CONTRACT, str(body.get("contract"))) in self.unread:
            findings = [one for one in findings if one.code != f"lens.{UNTYPED}"]
        reading.findings += findings
        if lens is None or any(f.is_blocking for f in findings):
            return
        kind = "draft of lens" if lens.is_draft else "lens"
        if self.is_first(f"{kind}:{lens.contract} {lens.older} to {lens.newer}", lens.where):
            self.lenses.append(lens)

    def add(self, asset: Asset, declaration: Declaration) -> bool:
        """Whether `asset` is the first of its name; only then it counts."""
        if not self.is_first(str(asset.id), asset.where):
            return False
        self.assets[asset.id] = asset
        self.places[asset.id] = declaration.document
        return True

    def is_first(self, subject: str, where: str) -> bool:
        """Whether nothing before was declared by this name; remembers it for the check of duplicates."""
        before = len(self.names)
        self.names.add(subject)
        self.named.append((subject, where))
        return len(self.names) > before

    def mention(self, asset: AssetId, key: str, verb: str, body: Mapping[str, Any], reading: Reading) -> None:
        there = {(link.upstream, link.downstream, link.verb) for link in self.links}
        found = declared_links(asset, key, verb, body, reading, self.known)
        self.links += [link for link in found if (link.upstream, link.downstream, link.verb) not in there]
        self.uses += uses_from(asset, key, body, reading)

    def read_held(self, asset: AssetId, body: Mapping[str, Any], reading: Reading) -> None:
        writings, keepings = writings_from(asset, body, reading), keepings_from(asset, body, reading)
        self.links += held_links(writings, keepings)
        self.writings += writings
        self.keepings += keepings

    def locate(self, asset: AssetId, path: Path) -> str:
        return self.places[asset].locate(path)


def assemble(declarations: Iterable[Declaration], name: str) -> tuple[Workspace, list[Finding]]:
    """Everything declared, and every finding about how it fits together. `name`: of a workspace without a root."""
    declared = list(declarations)
    assembly = _Assembly(_kinds_by_name(declared))
    for declaration in sorted(declared, key=lambda one: one.kind == "Lens"):  # lenses are typed by contracts
        assembly.read(declaration)
    root = assembly.roots[0].body if assembly.roots else {"name": name}
    workspace = Workspace(
        name=root["name"],
        services=assembly.services,
        models=assembly.models,
        contracts=assembly.contracts,
        lenses=tuple(one for one in assembly.lenses if not one.is_draft),
        drafts=tuple(one for one in assembly.lenses if one.is_draft),
        changes=assembly.changes,
        assets=tuple(assembly.assets.values()),
        links=tuple(assembly.links),
        uses=tuple(assembly.uses),
        writings=tuple(assembly.writings),
        keepings=tuple(assembly.keepings),
        metrics=assembly.metrics,
        gates=assembly.gates,
        people=people_from(root),
        policy=assembly.policy,
        checks=tuple(assembly.checks),
        databases=assembly.databases,
    )
    return workspace, [*assembly.findings, *_cross_findings(workspace, assembly)]


def _kinds_by_name(declared: Iterable[Declaration]) -> dict[str, set[Kind]]:
    kinds: dict[str, set[Kind]] = defaultdict(set)
    for declaration in declared:
        if declaration.kind != "Lens" and (asset := declaration.asset):
            kinds[asset.name].add(asset.kind)
    return kinds


def _cross_findings(workspace: Workspace, assembly: _Assembly) -> list[Finding]:
    versions: dict[str, set[str]] = defaultdict(set)
    for name, version in workspace.contracts:
        versions[name].add(version)
    unread = frozenset(assembly.unread)
    catalog = Catalog(
        services=workspace.services,
        models=workspace.models,
        contracts={name: frozenset(found) for name, found in versions.items()},
        assets=workspace.assets,
        links=workspace.links,
        unread=unread,
    )
    return [
        *check_duplicates(assembly.named),
        *check_catalog(catalog, assembly.locate),
        *check_lenses(workspace, unread),
        *check_uses(workspace, unread),
        *_table_findings(workspace, assembly),
        *check_changes(workspace, unread),
    ]


def _table_findings(workspace: Workspace, assembly: _Assembly) -> Iterator[Finding]:
    """About tables of contracts that could be read, and databases of a root that could be."""
    fields: dict[str, list[frozenset[str]]] = defaultdict(list)
    for (name, _), contract in workspace.contracts.items():
        if AssetId(Kind.CONTRACT, name) not in assembly.unread:
            fields[name].append(frozenset(one.name for one in contract.fields))
    tables = [(str(one.asset), one.contract, one.table) for one in workspace.keepings if one.table]
    if assembly.roots:
        yield from check_tables(tables, workspace.databases, fields)
        yield from check_revisions(workspace)
