"""The application: routes by noun, bearer tokens, problem documents, an OpenAPI document at /openapi.json."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import HTMLResponse

from interlock import __version__
from interlock.adapters.web import audit, changes, checks, gates, lenses, migrations, outcomes, problems, rollouts
from interlock.adapters.web.page import PAGE
from interlock.adapters.web.speaker import authenticate
from interlock.engine.context import Context


def build_app(context: Context) -> FastAPI:
    """The whole API over `context`. Everything under /v1 but /v1/health demands a token."""
    app = FastAPI(
        title="Interlock",
        version=__version__,
        summary="Coordinated, reversible changes of models and schemas.",
        redoc_url=None,
    )
    app.state.context = context
    problems.install(app)

    @app.get("/v1/health", tags=["health"])
    def health() -> dict[str, Any]:
        """Whether the control plane answers; traffic does not depend on it."""
        return {"status": "ok", "version": __version__}

    @app.get("/", include_in_schema=False, response_class=HTMLResponse)
    def page() -> str:
        return PAGE

    v1 = APIRouter(prefix="/v1", dependencies=[Depends(authenticate)])
    for noun in (changes, migrations, checks, lenses, rollouts, gates, audit, outcomes):
        v1.include_router(noun.routes)
    app.include_router(v1)
    app.include_router(gates.hooks, prefix="/v1")
    return app
