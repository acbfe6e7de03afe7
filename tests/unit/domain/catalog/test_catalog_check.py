from __future__ import annotations

from dataclasses import replace

import pytest

from interlock.domain.catalog.asset import Asset, AssetId, Kind, Link
from interlock.domain.catalog.check import Catalog, check_catalog, check_duplicates, is_endpoint
from interlock.domain.catalog.service import ModelSpec, ModelVersion, ServiceSpec, ServiceVersion, VersionRef
from interlock.kernel.finding import Finding, Severity

SCORER = AssetId(Kind.SERVICE, "scorer")
RISK = AssetId(Kind.MODEL, "risk")
ORDER = AssetId(Kind.CONTRACT, "order")
FIRST = ServiceVersion(("127.0.0.1:9101",), request=VersionRef("order", "1"), model=VersionRef("risk", "1"))
SERVICE = ServiceSpec("scorer", "1", {"1": FIRST})
SOUND = Catalog(
    services={"scorer": SERVICE},
    models={"risk": ModelSpec("risk", "1", {"1": ModelVersion()})},
    contracts={"order": frozenset({"1"})},
    assets=(Asset(SCORER, "alex"), Asset(RISK, "robin"), Asset(ORDER, "robin")),
    links=(Link(ORDER, SCORER, "reads", "s.yaml:7"), Link(RISK, SCORER, "uses", "s.yaml:8")),
)


def check(catalog: Catalog) -> list[Finding]:
    return check_catalog(catalog, lambda asset, path: f"{asset.name}.yaml:{'.'.join(map(str, path))}")


def with_version(**changes: object) -> Catalog:
    version = replace(FIRST, **changes)
    return replace(SOUND, services={"scorer": replace(SERVICE, versions={"1": version})})


def test_a_sound_catalog_has_no_findings() -> None:
    """Nothing is said about declarations that fit."""
    assert check(SOUND) == []


def test_unknown_assets_are_named_with_the_nearest() -> None:
    """A link to what nobody declares is an error at the link, with a name that was probably meant."""
    link = Link(AssetId(Kind.SERVICE, "scorre"), SCORER, "calls", "s.yaml:9")
    (found,) = check(replace(SOUND, links=(*SOUND.links, link)))
    assert (found.code, found.where) == ("asset.unknown", "s.yaml:9")
    assert found.says == "scorer calls scorre, but there is no service:scorre."
    assert found.remedy == "Did you mean 'scorer'?"


def test_a_wrong_kind_is_told_apart() -> None:
    """When the name exists as another kind, the remedy says so."""
    (found,) = check(replace(SOUND, links=(Link(AssetId(Kind.DATASET, "risk"), SCORER, "reads", "s.yaml:9"),)))
    assert found.remedy == "There is model:risk: name the kind."


@pytest.mark.parametrize(
    ("catalog", "where"),
    [
        (replace(SOUND, services={"scorer": replace(SERVICE, serving="2")}), "scorer.yaml:serving"),
        (with_version(model=VersionRef("risk", "9")), "scorer.yaml:versions.1.model"),
        (with_version(request=VersionRef("order", "9")), "scorer.yaml:versions.1.request"),
        (
            replace(SOUND, services={"scorer": replace(SERVICE, callers_request=VersionRef("order", "9"))}),
            "scorer.yaml:callers.request",
        ),
        (replace(SOUND, models={"risk": ModelSpec("risk", "2", {"1": ModelVersion()})}), "risk.yaml:serving"),
    ],
)
def test_unknown_versions_are_errors_where_they_are_written(catalog: Catalog, where: str) -> None:
    """A version that is not declared is an error, whether it serves or is referred to."""
    assert [(f.code, f.where) for f in check(catalog)] == [("version.unknown", where)]


def test_what_could_not_be_read_is_not_blamed_twice() -> None:
    """Links and versions of assets with errors of their own are left alone."""
    catalog = replace(
        with_version(model=VersionRef("risk", "9")), models={}, assets=SOUND.assets[::2], unread=frozenset({RISK})
    )
    assert check(catalog) == []


def test_versions_must_not_share_an_endpoint() -> None:
    """Two versions at one endpoint cannot run side by side; the finding names both."""
    versions = {"1": FIRST, "2": FIRST}
    (found,) = check(replace(SOUND, services={"scorer": replace(SERVICE, versions=versions)}))
    assert (found.code, found.where) == ("endpoint.shared", "scorer.yaml:versions.2.endpoints.0")
    assert "scorer@2" in found.says
    assert "scorer@1" in found.says


@pytest.mark.parametrize("text", ["127.0.0.1:1", "[::1]:80", "scorer.internal:65535"])
def test_good_endpoints(text: str) -> None:
    """Hosts, IPv4 and bracketed IPv6 with a port are endpoints."""
    assert is_endpoint(text)


@pytest.mark.parametrize(
    "text", ["", "host", "host:0", "host:65536", ":80", "http://h:80", "::1:80", "h:80/x", "h:80\n"]
)
def test_malformed_endpoints_are_errors(text: str) -> None:
    """Anything else is an error at the endpoint's line."""
    (found,) = check(with_version(endpoints=(text,)))
    assert (found.code, found.where) == ("endpoint.malformed", "scorer.yaml:versions.1.endpoints.0")


def test_call_cycles_warn_and_data_cycles_block() -> None:
    """Services may call in a circle; data that depends on itself may not. Both are spelled out."""
    other = AssetId(Kind.SERVICE, "other")
    data = AssetId(Kind.DATASET, "data")
    assets = (*SOUND.assets, Asset(other, "alex"), Asset(data, "alex"))
    calls = (Link(other, SCORER, "calls", "s.yaml:1"), Link(SCORER, other, "calls", "o.yaml:1"))
    (found,) = check(replace(SOUND, assets=assets, links=calls))
    assert (found.code, found.severity) == ("cycle.calls", Severity.WARNING)
    loop = (Link(data, RISK, "reads", "m.yaml:1"), Link(RISK, data, "depends on", "d.yaml:1"))
    (found,) = check(replace(SOUND, assets=assets, links=loop))
    assert (found.code, found.severity, found.where) == ("cycle.data", Severity.ERROR, "d.yaml:1")
    assert found.says == "data depends on itself: data depends on risk, which reads data."


def test_assets_without_an_owner_are_warned_about() -> None:
    """Nobody is asked for an asset without owner."""
    (found,) = check(replace(SOUND, assets=(Asset(SCORER, "", where="s.yaml:1"), *SOUND.assets[1:])))
    assert (found.code, found.severity, found.where) == ("asset.unowned", Severity.WARNING, "s.yaml:1")


def test_the_second_declaration_of_a_name_is_an_error() -> None:
    """A duplicate is reported where the second stands and names the first."""
    (found,) = check_duplicates([("service:a", "a.yaml:1"), ("service:b", "b.yaml:1"), ("service:a", "c.yaml:1")])
    assert (found.code, found.where) == ("name.duplicate", "c.yaml:1")
    assert "a.yaml:1" in found.says
