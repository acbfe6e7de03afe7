"""Does a real Envoy keep every entity where it was while a rollout grows, and do salts reshuffle independently?

`python -m benchmarks.stickiness` asks for 10,000 keys at several weights. Goals: the candidate's share is within
half a point of the weight, nobody leaves the candidate while the weight grows, Python predicts every choice, and
the guinea pigs of two rollouts at 10 % share 1 % of the keys, give or take half a point.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

from benchmarks.rig import Load, Service, cut, deployment, drive, plane, serving, table

from interlock.domain.releases.route_table import Split, route_table
from interlock.domain.traffic.bucket import is_candidate, seed

WEIGHTS_BP = (100, 500, 1_000, 2_500, 5_000)
SALTS = ("rollout-1", "rollout-2")


def run(quick: bool = False) -> dict[str, Any]:
    """Ask for every key at every weight (10,000 keys; 2,000 when `quick`)."""
    keys = 2_000 if quick else 10_000
    with serving([Service("b"), Service("c")]) as (baseline, candidate), plane() as (data_plane, edge, _):
        r1, r2 = cut(deployment("svc", "1", baseline)), cut(deployment("svc", "2", candidate))

        def chosen(weight_bp: int, salt: str) -> set[int]:
            data_plane.publish(route_table(r1, (r2,), {"svc": Split(r2.id, weight_bp, seed(salt))}))
            driven = drive(Load(edge, "/svc/", requests=keys, keeps_answers=True))
            assert driven.failed == 0, driven.answers
            return {n for n, body in driven.by_key.items() if body == b"c"}

        sets = {w: chosen(w, SALTS[0]) for w in WEIGHTS_BP}
        other = chosen(1_000, SALTS[1])
    return _summary(keys, sets, other)


def _summary(keys: int, sets: dict[int, set[int]], other: set[int]) -> dict[str, Any]:
    growing = [sets[w] for w in sorted(sets)]
    predicted = {w: {n for n in range(keys) if is_candidate(f"key-{n}", seed(SALTS[0]), w)} for w in sets}
    return {
        "keys": keys,
        "share_percent": {str(w / 100): round(100 * len(s) / keys, 3) for w, s in sets.items()},
        "worst_share_error_points": round(max(abs(100 * len(s) / keys - w / 100) for w, s in sets.items()), 3),
        "left_while_growing": sum(len(a - b) for a, b in pairwise(growing)),
        "unpredicted": sum(len(sets[w] ^ predicted[w]) for w in sets),
        "overlap_of_two_salts_percent": round(100 * len(sets[1_000] & other) / keys, 3),
    }


def main() -> None:
    """Print the figures beside their goals."""
    found = run(quick="--quick" in sys.argv)
    table(
        f"stickiness ({found['keys']} keys through Envoy)",
        [
            ("", "measured", "goal"),
            ("worst error of the share, points", str(found["worst_share_error_points"]), "<= 0.5"),
            ("keys that left while the weight grew", str(found["left_while_growing"]), "0"),
            ("choices that Python did not predict", str(found["unpredicted"]), "0"),
            ("overlap of two salts at 10 %, percent", str(found["overlap_of_two_salts_percent"]), "1 +- 0.5"),
        ],
    )
    for weight, share in found["share_percent"].items():
        print(f"    weight {weight} %: {share} % of the keys")


if __name__ == "__main__":
    main()
