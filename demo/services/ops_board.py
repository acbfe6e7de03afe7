"""One line of the operations board: what delay-predictor and rebooking say of the same flight.

`agrees` is false when the two spoke from different predictions, which is what a mixed release looks like.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from demo.services.serving import Peers, answer, application, parse_arguments, serve, step

NAME = "ops-board"
LATE_AFTER_MIN = 15


def route(peers: Peers) -> Route:
    async def handle(request: Request) -> Response:
        body = await request.body()
        predicted, decided = await asyncio.gather(
            peers.post("delay-predictor", "/predict", body), peers.post("rebooking", "/decide", body)
        )
        minutes = predicted["predicted_delay_min"]
        return answer(
            {
                "status": "late" if minutes > LATE_AFTER_MIN else "on time",
                "predicted_delay_min": minutes,
                "rebook": decided["rebook"],
                "agrees": minutes == decided["predicted_delay_min"],
                "trail": [step(NAME), *predicted["trail"], *decided["trail"]],
            }
        )

    return Route("/board", handle, methods=["POST"])


def main() -> None:
    given = parse_arguments()
    peers = Peers(given.inner)
    serve(application(route(peers), peers=peers), given.port)


if __name__ == "__main__":
    main()
