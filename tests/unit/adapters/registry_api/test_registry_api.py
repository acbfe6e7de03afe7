"""The registry's API towards clients that are wrong, strange or in another language."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.adapters.registry_api.app import build_registry
from interlock.adapters.registry_api.speaker import anybody
from interlock.engine.registry import Registry
from support.registry import MEDIA_TYPE, Got, ask, listening, opened, served

RECORD = '{"type":"record","name":"R","fields":[{"name":"x","type":"long"}]}'
OTHER = '{"type":"record","name":"R","fields":[{"name":"x","type":"string"}]}'


def _ruled(rules: str) -> bytes:
    """A request to register with rules, written as they stand."""
    return b'{"schema": "\\"int\\"", "ruleSet": %s}' % rules.encode()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    place: Path = tmp_path_factory.mktemp("registry")
    with opened(f"sqlite:///{place}/registry.db") as registry:
        yield registry


@pytest.fixture(scope="module")
def url(desk: Registry) -> Iterator[str]:
    with served(desk) as at:
        assert register(at, "known", RECORD).status == 200
        yield at


def register(url: str, subject: str, schema: str, **more: Any) -> Got:
    return ask(f"{url}/subjects/{quote(subject, safe='')}/versions", "POST", {"schema": schema, **more})


@pytest.mark.parametrize(
    ("method", "path", "body", "error"),
    [
        ("GET", "/subjects/nowhere/versions", None, (404, 40401)),
        ("GET", "/subjects/known/versions/9", None, (404, 40402)),
        ("GET", "/subjects/known/versions/zero", None, (422, 42202)),
        ("GET", "/subjects/known/versions/0", None, (422, 42202)),
        ("GET", "/schemas/ids/999", None, (404, 40403)),
        ("GET", "/schemas/guids/nothing", None, (404, 40403)),
        ("GET", "/config/known", None, (404, 40408)),
        ("GET", "/mode/known", None, (404, 40409)),
        ("PUT", "/config", {"compatibility": "SIDEWAYS"}, (422, 42203)),
        ("PUT", "/config", {"compatibilityPolicy": "SOMETIMES"}, (422, 42203)),
        ("PUT", "/config", {"alias": "other"}, (422, 422)),
        ("PUT", "/mode", {"mode": "WRITEONLY"}, (422, 42204)),
        ("PUT", "/mode", {"mode": "IMPORT"}, (422, 42205)),
        ("POST", "/subjects/known/versions", {"schema": OTHER}, (409, 409)),
        ("POST", "/subjects/known/versions", {"schema": ""}, (422, 42201)),
        ("POST", "/subjects/known/versions", {"schema": RECORD, "schemaType": "XML"}, (422, 42201)),
        ("POST", "/subjects/known/versions", {"schema": RECORD, "id": 5}, (422, 42205)),
        ("POST", "/subjects/known/versions", {"schema": 5}, (422, 422)),
        ("POST", "/subjects/rules/versions", _ruled('{"domainRules": [5]}'), (422, 42201)),
        ("POST", "/subjects/rules/versions", _ruled('{"domainRules": [{"params": NaN}]}'), (422, 42201)),
        ("POST", "/subjects/rules/versions", _ruled('{"domainRules": [{"params": 1e999}]}'), (422, 42201)),
        (
            "POST",
            "/subjects/rules/versions",
            _ruled('{"domainRules": [%s]}' % ('{"a":' * 600 + "1" + "}" * 600)),
            (422, 42201),
        ),
        ("PUT", "/config/rules", {"defaultMetadata": 5}, (422, 422)),
        ("PUT", "/config", {"defaultRuleSet": {"domainRules": [5]}}, (422, 422)),
        ("GET", "/subjects/known/versions/" + "9" * 5000, None, (422, 42202)),
        ("POST", "/subjects/%ff%fe/versions", {"schema": RECORD}, (400, 400)),
        ("GET", "/subjects/%ED%A0%80/versions", None, (400, 400)),
        ("POST", "/subjects/known/versions", b"{broken", (422, 422)),
        ("POST", "/subjects/%01/versions", {"schema": RECORD}, (422, 42208)),
        ("POST", "/subjects/known", {"schema": '"string"'}, (404, 40403)),
        ("POST", "/compatibility/subjects/known/versions/9", {"schema": RECORD}, (404, 40402)),
        ("DELETE", "/subjects/nowhere", None, (404, 40401)),
        ("DELETE", "/subjects/known/versions/1?permanent=true", None, (404, 40407)),
        ("DELETE", "/subjects/known?permanent=true", None, (404, 40405)),
        ("GET", "/nothing/here", None, (404, 404)),
        ("PUT", "/subjects", {}, (405, 405)),
    ],
)
def test_faults_have_the_numbers_that_clients_know(
    url: str, method: str, path: str, body: Any, error: tuple[int, int]
) -> None:
    """Status, number and a message, in the API's content type."""
    got = ask(url + path, method, body)
    assert got.error == error
    assert got.json["message"]
    assert got.content_type == MEDIA_TYPE


@pytest.mark.parametrize(
    ("kind", "schema", "place"),
    [
        ("AVRO", '{\n  "type": "recor', "line 2 column 11"),
        ("JSON", '{\n  "type": }', "line 2 column 11"),
        ("PROTOBUF", 'syntax = "proto3";\nmessage M {\n  int32 a = ;\n}', "line 3 column 13"),
    ],
)
def test_a_schema_that_cannot_be_read_is_told_with_line_and_column(
    url: str, kind: str, schema: str, place: str
) -> None:
    """In every language."""
    got = register(url, "unreadable", schema, schemaType=kind)
    assert got.error == (422, 42201)
    assert place in got.json["message"]
    assert ask(f"{url}/subjects/unreadable/versions").error == (404, 40401)


@pytest.mark.parametrize(
    ("kind", "schema", "narrower", "reason"),
    [
        ("AVRO", RECORD, OTHER, "TYPE_MISMATCH"),
        ("JSON", '{"type":"string"}', '{"type":"string","maxLength":5}', "MAX_LENGTH_ADDED"),
        (
            "PROTOBUF",
            'syntax = "proto3"; message M { int64 a = 1; }',
            'syntax = "proto3"; message M { int32 a = 1; }',
            "FIELD_SCALAR_KIND_CHANGED",
        ),
    ],
)
def test_every_language_is_held_to_compatibility(
    url: str, kind: str, schema: str, narrower: str, reason: str
) -> None:
    """A reader that takes less than was written is refused, with the name that registries give the reason."""
    subject = f"held-{kind}"
    assert register(url, subject, schema, schemaType=kind).status == 200
    refused = register(url, subject, narrower, schemaType=kind)
    assert refused.error == (409, 409)
    assert f'errorType:"{reason}"' in refused.json["message"]
    assert ask(f"{url}/config/{subject}", "PUT", {"compatibility": "FORWARD"}).status == 200
    assert register(url, subject, narrower, schemaType=kind).status == (409 if kind == "AVRO" else 200)


def test_an_unknown_reference_is_told(url: str) -> None:
    """It names the subject and version that are not there; nothing is fetched from elsewhere."""
    reference = {"name": "http://example.com/money.json", "subject": "money", "version": 3}
    got = register(url, "lost", '{"type":"object"}', schemaType="JSON", references=[reference])
    assert got.error == (422, 42201)
    assert '"money" and version 3' in got.json["message"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (MEDIA_TYPE, 200),
        ("application/json; charset=utf-8", 200),
        ("application/octet-stream", 200),
        ("text/xml", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
def test_bodies_are_read_in_the_api_s_content_types(url: str, sent: str, status: int) -> None:
    """Others are refused before anything is read."""
    body = {"schema": RECORD}
    assert ask(f"{url}/compatibility/subjects/known/versions", "POST", body, Content_Type=sent).status == status


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("application/json", "application/json"),
        ("text/html, application/vnd.schemaregistry+json;q=0.9", "application/vnd.schemaregistry+json"),
        ("*/*", MEDIA_TYPE),
    ],
)
def test_answers_are_in_the_content_type_that_the_client_accepts(url: str, accept: str, answered: str) -> None:
    """The first one that both know; the API's own otherwise."""
    assert ask(f"{url}/subjects", Accept=accept).content_type == answered


@pytest.mark.parametrize("subject", ["a/b", "a%2Fb", "ü ?#", "..", "50%", "a+b", ":.staging:a/b"])
def test_subjects_may_have_any_printable_character(url: str, subject: str) -> None:
    """What is registered under a name is found under that name and no other."""
    schema = RECORD.replace('"R"', f'"R{subject.encode().hex()}"')
    assert register(url, subject, schema).status == 200
    assert subject in ask(f"{url}/subjects").json
    assert ask(f"{url}/subjects/{quote(subject, safe='')}/versions/latest/schema").text == schema


def test_verbose_says_why(url: str) -> None:
    """Name, place, version and level; without `verbose`, only yes or no."""
    at = f"{url}/compatibility/subjects/known/versions/latest"
    assert ask(at, "POST", {"schema": OTHER}).json == {"is_compatible": False}
    told = ask(f"{at}?verbose=true", "POST", {"schema": OTHER}).json
    assert not told["is_compatible"]
    assert "TYPE_MISMATCH" in told["messages"][0]
    assert "/fields/0/type" in told["messages"][0]
    assert told["messages"][1:] == [
        "{oldSchemaVersion: 1}",
        f"{{oldSchema: {json.dumps(RECORD)}}}",
        '{compatibility: "BACKWARD"}',
    ]


def test_pages_of_lists(url: str) -> None:
    """`offset` and `limit`; a negative limit is none."""
    for number in range(3):
        assert register(url, f"page-{number}", RECORD).status == 200
    listed = f"{url}/subjects?subjectPrefix=page-"
    assert ask(f"{listed}&offset=1&limit=1").json == ["page-1"]
    assert ask(f"{listed}&limit=-1").json == ["page-0", "page-1", "page-2"]
    assert ask(f"{listed}&limit=0").json == []


@pytest.mark.parametrize("headers", [{"Origin": "https://example.com"}, {"Host": "rebound.example.com"}])
def test_without_tokens_pages_in_browsers_are_not_answered(url: str, headers: dict[str, str]) -> None:
    """Neither one that posts from elsewhere, nor one whose name was turned to this machine."""
    assert ask(f"{url}/subjects", **headers).error == (403, 403)


def test_it_can_be_mounted_below_another_application(desk: Registry, url: str) -> None:
    """Paths are relative to where it hangs; subjects with slashes too."""
    below = FastAPI()
    below.mount("/registry", build_registry(desk, anybody))
    with listening(below) as other:
        assert register(f"{other}/registry", "mounted/a", '"long"').status == 200
        assert ask(f"{other}/registry/subjects/mounted%2Fa/versions").json == [1]
        assert ask(f"{other}/registry/nothing").error == (404, 404)


def test_what_the_registry_says_about_itself(url: str) -> None:
    """Types, the root that clients probe, its version, and no associations, so that clients go by topic."""
    assert ask(f"{url}/schemas/types").json == ["AVRO", "JSON", "PROTOBUF"]
    assert ask(f"{url}/").json == {}
    assert ask(f"{url}/v1/metadata/version").json["version"]
    assert ask(f"{url}/associations/resources/-/orders").json == []
    assert ask(f"{url}/schemas/ids/1?fetchMaxId=true").json["maxId"] >= 1


def test_nothing_that_the_description_allows_breaks_the_server(tmp_path: Path) -> None:
    """Requests made from the OpenAPI document, of every operation, never end in a server error."""
    answers: Counter[int] = Counter()

    def probe(cases: st.SearchStrategy[Any]) -> None:
        @settings(max_examples=4, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=cases)
        def send(case: Any) -> None:
            answered = case.call()
            answers[answered.status_code] += 1
            assert answered.status_code < 500, answered.text

        send()

    with opened(f"sqlite:///{tmp_path}/registry.db") as registry:
        api = schemathesis.openapi.from_asgi("/openapi.json", build_registry(registry, lambda _: "ana"))
        operations = [found.ok() for found in api.get_all_operations()]
        for operation in operations:
            probe(operation.as_strategy())
    assert len(operations) >= 30
    assert min(answers[200], answers[404], answers[422]) > 10, answers
