"""The application: served alone by `interlock contract serve`, or mounted below another one."""

from __future__ import annotations

from fastapi import Depends, FastAPI

from interlock import __version__
from interlock.adapters.registry_api import answers, schemas, settings, subjects
from interlock.adapters.registry_api.paths import ClientConventions
from interlock.adapters.registry_api.speaker import Speaks, speaker, token_holder
from interlock.engine.registry import Registry


def build_registry(registry: Registry, speaks: Speaks = token_holder) -> FastAPI:
    """The registry's API over `registry`. `speaks` tells who a request is from, and refuses strangers."""
    app = FastAPI(
        title="Interlock schema registry",
        version=__version__,
        summary="Answers the REST API of Confluent Schema Registry.",
        default_response_class=answers.Answer,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(speaker)],
        responses={
            code: {"description": says, "content": {answers.MEDIA_TYPE: {"example": example}}}
            for code, says, example in answers.EXAMPLES
        },
    )
    app.state.registry = registry
    app.state.speaks = speaks
    answers.install(app)
    for part in (schemas, subjects, settings):
        app.include_router(part.routes)
    app.add_middleware(ClientConventions)
    return app
