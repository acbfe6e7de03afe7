"""Errors as RFC 9457 problem documents, from one place."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from interlock.kernel.digest import plain
from interlock.kernel.errors import InterlockError

MEDIA_TYPE = "application/problem+json"


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document; `exit_code` tells the command line what to return."""
    app.add_exception_handler(InterlockError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)


def problem(status: int, code: str, detail: str, **members: Any) -> JSONResponse:
    """One problem document; `type` is a URN that carries the stable code."""
    body = {"type": f"urn:interlock:problem:{code}", "title": code, "status": status, "detail": detail, **members}
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)


def _on_error(request: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, InterlockError)
    return problem(
        fault.status,
        fault.code,
        fault.message,
        remedy=fault.remedy,
        where=fault.where,
        exit_code=fault.exit_code,
        **{k: plain(v) for k, v in fault.details.items()},
    )


def _on_invalid(request: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, RequestValidationError)
    wrong = [{"at": ".".join(str(p) for p in e["loc"]), "says": e["msg"]} for e in fault.errors()]
    detail = "; ".join(f"{w['at']}: {w['says']}" for w in wrong)
    return problem(422, "request.invalid", detail, errors=wrong, exit_code=2)


def _on_http(request: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, HTTPException)
    exit_code = 3 if fault.status_code in (401, 403, 404) else 2
    return problem(fault.status_code, "http.error", str(fault.detail), exit_code=exit_code)
