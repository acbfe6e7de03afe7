"""Decides whether a passenger should be rebooked: asks delay-predictor and applies a threshold.

The threshold is tuned to one version of the model, which is why the two must move together.
"""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from demo.services.faults import with_faults
from demo.services.serving import Peers, answer, application, parse_arguments, serve, step

NAME = "rebooking"


def route(peers: Peers, version: str, threshold_min: float) -> Route:
    async def handle(request: Request) -> Response:
        predicted = await peers.post("delay-predictor", "/predict", await request.body())
        minutes = predicted["predicted_delay_min"]
        return answer(
            {
                "rebook": minutes > threshold_min,
                "predicted_delay_min": minutes,
                "threshold_min": threshold_min,
                "tuned_to_model": version,
                "model_version": predicted["model_version"],
                "trail": [step(NAME), *predicted["trail"]],
            }
        )

    return Route("/decide", handle, methods=["POST"])


def main() -> None:
    given = parse_arguments()
    threshold_min = json.loads((given.models / "thresholds.json").read_text())[given.version]
    peers = Peers(given.inner)
    serve(application(with_faults(route(peers, given.version, threshold_min)), peers=peers), given.port)


if __name__ == "__main__":
    main()
