"""What a relay shows to Prometheus."""

from __future__ import annotations

import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from interlock.adapters.streams.meter import CONTENT_TYPE, Meter, MetricsPortTaken, exposition
from interlock.engine.relay import Counts


def samples(page: str) -> dict[str, float]:
    """As Prometheus' own parser reads them."""
    return {
        sample.name + "".join(f" {v}" for k, v in sorted(sample.labels.items()) if k != "relay"): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_the_page_is_what_was_counted() -> None:
    """An unknown number of waiting messages is left out."""
    counts = Counts(relayed=5, unchanged=4, dead=3, repeated=2, waits=1, behind=7, lag_s=1.5, is_away=True)
    assert samples(exposition("r", counts)) == {
        "interlock_relay_messages_total relayed": 5,
        "interlock_relay_messages_total unchanged": 4,
        "interlock_relay_messages_total dead": 3,
        "interlock_relay_messages_total repeated": 2,
        "interlock_relay_waits_total": 1,
        "interlock_relay_up": 0,
        "interlock_relay_lag_seconds": 1.5,
        "interlock_relay_behind_messages": 7,
    }
    assert "interlock_relay_behind_messages" not in samples(exposition("r", Counts()))


def test_the_page_is_served_until_it_is_closed() -> None:
    """With what was counted by then."""
    counts = Counts()
    meter = Meter(("127.0.0.1", 0), lambda: exposition("r", counts))
    try:
        counts.dead = 9
        with urllib.request.urlopen(f"http://127.0.0.1:{meter.address[1]}/metrics") as answer:
            assert answer.headers["content-type"] == CONTENT_TYPE
            assert samples(answer.read().decode())["interlock_relay_messages_total dead"] == 9
        with pytest.raises(MetricsPortTaken, match="cannot be served"):
            Meter(meter.address, str)
    finally:
        meter.close()
