"""Predicts how late a flight arrives.

Version 1 reads flight-features version 1, versions 2 and 3 read version 2. Version 2 is the hotfix that skipped its
rehearsal: its model misread a unit, and the service itself fails on 2 % of requests. Version 3 looks up the
wind of the hour when the caller does not send it.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from demo.flights import Winds, winds
from demo.models import DelayModel, load_model
from demo.services.faults import with_faults
from demo.services.serving import answer, application, parse_arguments, serve, step

NAME = "delay-predictor"
FAULTS_OF_VERSION_2_PERCENT = 2
"""Planted, so that the demo has a fault to catch; which requests it hits depends on their content alone."""


def is_hit_by_fault(version: str, body: bytes) -> bool:
    return version == "2" and zlib.crc32(body) % 100 < FAULTS_OF_VERSION_2_PERCENT


def with_wind(features: dict[str, Any], known: Winds) -> dict[str, Any]:
    """`features` with the hour's wind where the caller left it null."""
    if features["wind_speed"] is not None:
        return features
    return features | {"wind_speed": known.get((features["origin"], features["time_hour"]))}


def predict(model: DelayModel, known: Winds, features: dict[str, Any]) -> dict[str, Any]:
    if model.version == "3":
        features = with_wind(features, known)
    minutes = round(model.predict(features), 2)
    return {"predicted_delay_min": minutes, "model_version": model.version, "trail": [step(NAME)]}


def route(folder: Path, version: str) -> Route:
    model = load_model(folder, version)
    known = winds() if version == "3" else {}

    async def handle(request: Request) -> Response:
        body = await request.body()
        if is_hit_by_fault(version, body):
            return answer({"error": "the hotfix tripped over this request", "trail": [step(NAME)]}, 500)
        return answer(predict(model, known, json.loads(body)))

    return Route("/predict", handle, methods=["POST"])


def main() -> None:
    given = parse_arguments()
    serve(application(with_faults(route(given.models, given.version))), given.port)


if __name__ == "__main__":
    main()
