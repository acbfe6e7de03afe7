"""Where the hop's addresses are, and what one leads to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from interlock.adapters.envoy.clusters import clusters
from interlock.adapters.envoy.hop.config import Config, Way, all_ways, sockets, ways
from interlock.domain.lenses.ops import Cast, Program, Rename
from interlock.domain.releases.release import Deployment, Release
from interlock.domain.releases.route_table import route_table
from interlock.engine.codec import dump, load

LENS: Program = (Rename("a", "b"), Cast("b", "integer", "string"))
LENSED = Deployment("scorer", "2", ("10.0.0.1:80", "10.0.0.2:80"), request=LENS, lens_engine="hop")


@pytest.mark.parametrize("state_dir", ["/var/lib/interlock", "/" + "very-long-name/" * 9])
def test_addresses_fit_a_socket(state_dir: str) -> None:
    """In the state directory when that is short enough; each worker has one for each way."""
    made = sockets(Path(state_dir), 3)
    paths = [path for way in ways("r" + "0" * 62, LENSED) for path in made.of(way)]
    assert len(set(paths)) == 6
    assert all(len(str(path)) <= 100 for path in (*paths, made.control))
    assert str(paths[0]).startswith(state_dir) == (len(state_dir) < 50)


def test_a_cluster_balances_workers_and_instances() -> None:
    """Each address of the hop is an endpoint; without it, the instances are."""
    r1, r2 = Release((replace(LENSED, version="1", lens_engine="lua"),)), Release((LENSED,))
    made = {c["name"]: c for c in clusters(route_table(r1, (r2,)), sockets(Path("/state"), 2))}
    plain, hop = (
        [
            e["endpoint"]["address"]
            for group in made[f"scorer@{r.id}"]["load_assignment"]["endpoints"]
            for e in group["lb_endpoints"]
        ]
        for r in (r1, r2)
    )
    assert [list(address) for address in plain] == [["socket_address"]] * 2
    assert [list(address) for address in hop] == [["pipe"]] * 4


def test_a_way_is_named_by_all_that_it_does() -> None:
    """So a worker can keep those that stay, and releases with the same translation are told apart."""
    [first, second] = ways("r1", LENSED)
    others = [
        *ways("r2", LENSED),
        *ways("r1", replace(LENSED, request=LENS[:1])),
        *ways("r1", replace(LENSED, body="oip")),
        *ways("r1", replace(LENSED, timeout_s=1.0)),
    ]
    assert len({one.name for one in (first, second, *others)}) == 10
    assert ways("r1", replace(LENSED, lens_engine="lua")) == []


def test_the_file_says_everything() -> None:
    """Programs come back as they were."""
    table = route_table(Release((LENSED,)))
    config = Config(all_ways(table.backends), 2, "1")
    assert load(Config, dump(config)) == config
    assert all(isinstance(way, Way) for way in config.ways)
