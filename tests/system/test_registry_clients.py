"""Stock confluent-kafka clients against the registry: a real server, a real (mock) broker, no change to the
clients.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import (
    ConfigCompatibilityLevel,
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    SchemaRegistryError,
    ServerConfig,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

from interlock.adapters.registry_api.speaker import token_holder
from interlock.engine.registry import Registry
from interlock.engine.tokens import OPERATOR, keep_token
from support.echo import free_port
from support.journey import journey
from support.registry import ask, opened, served

ORDER_1 = '{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}'
ORDER_2 = (
    '{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},'
    '{"name":"cents","type":"int","default":0}]}'
)
ORDER_BROKEN = '{"type":"record","name":"Order","fields":[{"name":"id","type":"string"}]}'
ORDER_JSON = (
    '{"$schema":"http://json-schema.org/draft-07/schema#","title":"Order","type":"object",'
    '"properties":{"id":{"type":"integer"}},"required":["id"]}'
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Registry]:
    with opened(f"sqlite:///{tmp_path}/registry.db") as registry:
        yield registry


@pytest.fixture
def url(desk: Registry) -> Iterator[str]:
    with served(desk) as at:
        yield at


Fresh = Callable[..., SchemaRegistryClient]


@pytest.fixture
def fresh() -> Iterator[Fresh]:
    """Makes clients with an empty cache, as other processes have."""
    with ExitStack() as clients:
        yield lambda url, **more: clients.enter_context(
            SchemaRegistryClient({"url": url, "max.retries": 0, **more})
        )


@pytest.fixture
def client(url: str, fresh: Fresh) -> SchemaRegistryClient:
    return fresh(url)


def value_of(topic: str) -> SerializationContext:
    return SerializationContext(topic, MessageField.VALUE)


def order_class() -> Any:
    """A message with an import of a well-known type, generated as protoc would."""
    file = descriptor_pb2.FileDescriptorProto(name="shop/order.proto", package="shop", syntax="proto3")
    file.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    message = file.message_type.add(name="Order")
    message.field.add(name="id", number=1, label=1, type=3)
    message.field.add(name="at", number=2, label=1, type=11, type_name=".google.protobuf.Timestamp")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))


def test_avro_records_come_back_in_the_reader_s_version(
    url: str, client: SchemaRegistryClient, fresh: Fresh
) -> None:
    """Written with version 1 by one process, read with version 2 by another, which fetches the writer's schema."""
    sent = AvroSerializer(client, ORDER_1)({"id": 5}, value_of("orders"))
    read = AvroDeserializer(fresh(url), ORDER_2)(sent, value_of("orders"))
    assert read == {"id": 5, "cents": 0}


def test_json_documents_come_back(url: str, client: SchemaRegistryClient, fresh: Fresh) -> None:
    """The serializer validates and registers, the deserializer fetches and validates."""
    sent = JSONSerializer(ORDER_JSON, client)({"id": 5}, value_of("orders"))
    assert JSONDeserializer(None, schema_registry_client=fresh(url))(sent, value_of("orders")) == {"id": 5}


def test_protobuf_messages_come_back(url: str, client: SchemaRegistryClient, fresh: Fresh) -> None:
    """The client sends descriptors and asks for them; people get the text."""
    order = order_class()
    sent = ProtobufSerializer(order, client)(order(id=5), value_of("orders"))
    read = ProtobufDeserializer(order, schema_registry_client=fresh(url))(sent, value_of("orders"))
    assert read.id == 5
    text = fresh(url).get_latest_version("orders-value").schema.schema_str
    assert "message Order {\n  int64 id = 1;" in text


def test_messages_pass_through_a_broker(url: str, client: SchemaRegistryClient, fresh: Fresh) -> None:
    """Producer and consumer share nothing but the broker and the registry."""
    producer = Producer({"test.mock.num.brokers": 1})
    broker = next(iter(producer.list_topics(timeout=10).brokers.values()))
    producer.produce("orders", AvroSerializer(client, ORDER_1)({"id": 7}, value_of("orders")))
    assert producer.flush(10) == 0
    consumer = Consumer(
        {"bootstrap.servers": f"{broker.host}:{broker.port}", "group.id": "g", "auto.offset.reset": "earliest"}
    )
    try:
        consumer.subscribe(["orders"])
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        assert AvroDeserializer(fresh(url))(message.value(), value_of("orders")) == {"id": 7}
    finally:
        consumer.close()


def test_an_incompatible_producer_is_stopped(client: SchemaRegistryClient) -> None:
    """Status and number are those that clients know, and the message names the field."""
    client.register_schema("orders-value", Schema(ORDER_1, "AVRO"))
    broken = Schema(ORDER_BROKEN, "AVRO")
    assert not client.test_compatibility("orders-value", broken)
    assert not client.test_compatibility_all_versions("orders-value", broken, verbose=True)
    with pytest.raises(SchemaRegistryError) as refused:
        client.register_schema("orders-value", broken)
    assert (refused.value.http_status_code, refused.value.error_code) == (409, 409)
    assert "/fields/0/type" in refused.value.error_message


def test_the_client_s_whole_vocabulary(url: str, client: SchemaRegistryClient, fresh: Fresh) -> None:
    """Every call that the stock client has for subjects, versions, references, settings and modes."""
    money = Schema('{"type":"record","name":"Money","fields":[{"name":"cents","type":"long"}]}', "AVRO")
    client.register_schema("money", money)
    order = Schema(
        '{"type":"record","name":"Order","fields":[{"name":"price","type":"Money"}]}',
        "AVRO",
        [SchemaReference("Money", "money", 1)],
    )
    order_id = client.register_schema("orders/eu-value", order, normalize_schemas=True)
    there = fresh(url)
    assert there.get_subjects() == ["money", "orders/eu-value"]
    assert there.get_subjects(subject_prefix="mon") == ["money"]
    assert there.get_schema_types() == ["AVRO", "JSON", "PROTOBUF"]
    assert there.get_schema(order_id).references[0].subject == "money"
    assert there.get_referenced_by("money", 1) == [order_id]
    assert there.lookup_schema("orders/eu-value", order).version == 1
    latest = there.get_latest_version("orders/eu-value")
    assert (latest.version, latest.schema_id) == (1, order_id)
    assert fresh(url).get_schema_by_guid(latest.guid).schema_str == latest.schema.schema_str
    assert there.get_schema_versions(order_id)[0].subject == "orders/eu-value"
    there.set_compatibility("money", "FULL")
    assert (there.get_compatibility("money"), there.get_compatibility()) == ("FULL", "BACKWARD")
    there.set_config("orders/eu-value", ServerConfig(ConfigCompatibilityLevel.NONE, compatibility_group="major"))
    assert there.get_config("orders/eu-value").compatibility_group == "major"
    there.delete_config("orders/eu-value")
    there.update_mode("money", "READONLY")
    assert there.get_mode("money") == "READONLY"
    there.delete_mode("money")
    assert there.get_global_mode() == "READWRITE"
    assert there.get_contexts() == ["."]
    assert there.delete_subject("orders/eu-value") == [1]
    assert there.delete_subject("orders/eu-value", permanent=True) == [1]
    assert there.delete_version("money", 1) == 1
    with pytest.raises(SchemaRegistryError) as gone:
        fresh(url).get_latest_version("money")
    assert (gone.value.http_status_code, gone.value.error_code) == (404, 40401)


def test_a_protobuf_import_travels_as_a_reference(client: SchemaRegistryClient) -> None:
    """Text that imports a registered file is resolved, and its descriptor is handed out for both."""
    money = Schema('syntax = "proto3"; package shop; message Money { int64 cents = 1; }', "PROTOBUF")
    client.register_schema("money.proto", money)
    order = Schema(
        'syntax = "proto3"; import "money.proto"; message Order { shop.Money price = 1; }',
        "PROTOBUF",
        [SchemaReference("money.proto", "money.proto", 1)],
    )
    client.register_schema("orders-value", order)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(descriptor_of(client, "money.proto", "money.proto").SerializeToString())
    file = descriptor_of(client, "orders-value", "order.proto")
    pool.AddSerializedFile(file.SerializeToString())
    price = pool.FindMessageTypeByName("Order").fields_by_name["price"]
    assert price.message_type.full_name == "shop.Money"


def descriptor_of(client: SchemaRegistryClient, subject: str, name: str) -> descriptor_pb2.FileDescriptorProto:
    text = client.get_latest_version(subject, fmt="serialized").schema.schema_str
    file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text))
    file.name = name
    return file


def test_stock_clients_log_in_with_a_token(desk: Registry, fresh: Fresh) -> None:
    """As the password of Basic or as a bearer; without a known one, nothing is told."""
    keep_token(desk, "secret-of-ana", "ana", by="test")
    keep_token(desk, "secret-of-all", OPERATOR, by="test")
    with served(desk, token_holder) as url:
        ana = fresh(url, **{"basic.auth.user.info": "ana:secret-of-ana"})
        ana.register_schema("orders-value", Schema(ORDER_1, "AVRO"))
        ben = fresh(url, **{"basic.auth.user.info": "ben:secret-of-all"})
        ben.delete_subject("orders-value")
        assert ask(f"{url}/subjects", Authorization="Bearer secret-of-ana").status == 200
        for wrong in ({}, {"basic.auth.user.info": "ana:guessed"}, {"basic.auth.user.info": "ben:secret-of-ana"}):
            with pytest.raises(SchemaRegistryError) as refused:
                fresh(url, **wrong).get_subjects()
            assert refused.value.http_status_code in (401, 403)
    with desk.store.transaction(read_only=True) as tx:
        told = [(e.event.actor, e.event.kind) for e in tx.trail() if e.event.kind.startswith("schema")]
    assert told == [("ana", "schema.registered"), ("ben", "schema.deleted")]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`interlock contract serve` as people start it; its URL, once it is ready."""
    at = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "interlock", "-C", str(tmp_path), "contract", "serve"]
    with subprocess.Popen(
        [*command, "--listen", at, "-o", "json"], stdout=subprocess.PIPE, text=True, env={**os.environ}
    ) as started:
        assert started.stdout is not None
        yield json.loads(started.stdout.readline())["ready"]["registry"], started
        started.kill()


def test_the_command_serves_and_ends_in_order(
    process: tuple[str, subprocess.Popen[str]], tmp_path: Path, fresh: Fresh
) -> None:
    """It answers those who have the stored token, keeps what they register, and ends with 0 when told to."""
    url, started = process
    token = (tmp_path / ".interlock" / "token").read_text().strip()
    client = fresh(url, **{"basic.auth.user.info": f"ana:{token}"})
    assert client.register_schema("orders-value", Schema(ORDER_1, "AVRO")) == 1
    started.send_signal(signal.SIGTERM)
    assert started.wait(20) == 0
    with opened(f"sqlite:///{tmp_path}/.interlock/state.db") as kept, served(kept) as again:
        assert fresh(again).get_versions("orders-value") == [1]


def test_the_control_plane_answers_registry_clients_too(tmp_path: Path, fresh: Fresh) -> None:
    """`interlock up` has the registry below its address: one store, one audit trail, the same tokens."""
    with journey(tmp_path) as system:
        system.up()
        url = f"http://127.0.0.1:{system.ports['api']}/registry"
        operator = (tmp_path / ".interlock" / "token").read_text().strip()
        personal = system.json("token", "new", "ana")["token"]
        client = fresh(url, **{"basic.auth.user.info": f"ben:{operator}"})
        number = client.register_schema("shop/orders-value", Schema(ORDER_1, "AVRO"))
        ana = fresh(url, **{"basic.auth.user.info": f"ana:{personal}"})
        assert ana.get_latest_version("shop/orders-value").schema_id == number
        assert ask(f"{url}/subjects", Authorization=f"Bearer {personal}").json == ["shop/orders-value"]
        for refused in (fresh(url), fresh(url, **{"basic.auth.user.info": "ana:guessed"})):
            with pytest.raises(SchemaRegistryError) as told:
                refused.get_subjects()
            assert told.value.http_status_code == 401
        with pytest.raises(SchemaRegistryError, match="incompatible"):
            ana.register_schema("shop/orders-value", Schema(ORDER_BROKEN, "AVRO"))
        entries = system.json("audit", "log")
        assert ("ben", "shop/orders-value") in {(e["actor"], e["subject"].partition(":")[2]) for e in entries}
