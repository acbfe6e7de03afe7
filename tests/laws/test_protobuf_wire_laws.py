"""Verdicts about Protobuf schemas hold on the wire: messages encoded by one and decoded by the other."""

from __future__ import annotations

import random

import pytest
from benchmarks.protobuf_wire import SCALARS, pairs, refutation, schema_text
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.schemas.protobuf.compile import compile_schema, normal_text
from interlock.domain.schemas.protobuf.reads import reads

SEEDS = st.integers(0, 2**32)


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS)
def test_what_is_said_to_be_readable_is_read_to_the_same_values(seed: int) -> None:
    """No message that a writer can send refutes a yes: what both sides have is read as it was written."""
    for writer, reader in pairs(seed, 1):
        if not any(reason.is_blocking for reason in reads(reader.file, writer.file)):
            assert refutation(writer, reader, random.Random(seed), 8) == ""


@pytest.mark.parametrize("written", SCALARS)
def test_every_scalar_against_every_other(written: str) -> None:
    """A yes for two scalar types is never refuted; a no always is, but for bytes that happen to be no text."""
    chance = random.Random(7)
    for read in SCALARS:
        writer, reader = (
            compile_schema(f'syntax = "proto2"; message M {{ optional {kind} f = 1; }} message N {{}}', {})
            for kind in (written, read)
        )
        is_refuted = refutation(writer, reader, chance, 60) != ""
        is_blocked = any(reason.is_blocking for reason in reads(reader.file, writer.file))
        # proto2 does not look whether a string is UTF-8 until it is used
        assert is_refuted == is_blocked or (written, read) == ("bytes", "string"), (written, read)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_a_schema_reads_itself(seed: int) -> None:
    """Reading is reflexive, and has nothing to tell."""
    one = compile_schema(schema_text(random.Random(seed)), {})
    assert reads(one.file, one.file) == ()


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_the_normal_text_is_the_same_schema_and_normal_itself(seed: int) -> None:
    """Normalising loses nothing that decides how bytes are read, and doing it again changes nothing."""
    text = schema_text(random.Random(seed))
    normal = normal_text(text, {})
    assert normal_text(normal, {}) == normal
    assert compile_schema(normal, {}).file == compile_schema(text, {}).file
