"""Answers: the content type of the API, and every fault as `{"error_code", "message"}`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from interlock.kernel.errors import InterlockError, Unavailable

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_SPOKEN = (MEDIA_TYPE, "application/vnd.schemaregistry+json", "application/json")
EXAMPLES: tuple[tuple[int | str, str, dict[str, Any]], ...] = (
    (401, "No token, or an unknown one", {"error_code": 401, "message": "this needs a token"}),
    (404, "Not there", {"error_code": 40401, "message": "Subject 'orders-value' not found."}),
    (409, "Incompatible", {"error_code": 409, "message": "Schema being registered is incompatible ..."}),
    (422, "Not valid", {"error_code": 42201, "message": "Invalid schema of type AVRO (line 3 column 7): ..."}),
    (503, "The store does not answer", {"error_code": 50001, "message": "Error in the backend data store."}),
)
_TAKEN = (*_SPOKEN, "application/octet-stream")


class Answer(JSONResponse):
    """JSON in the API's own content type."""

    media_type = MEDIA_TYPE


def install(app: FastAPI) -> None:
    """Answer every fault of `app` as clients of the API expect."""
    app.add_exception_handler(InterlockError, _on_fault)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


def media_type(accept: str) -> str:
    """The one of the API's content types that the client names first; the first of all if it names none."""
    named = (part.split(";")[0].strip().lower() for part in accept.split(","))
    return next((kind for kind in named if kind in _SPOKEN), MEDIA_TYPE)


def is_taken(content_type: str) -> bool:
    """Whether bodies of this content type are read. Without one, a body is taken for JSON."""
    return not content_type or content_type.split(";")[0].strip().lower() in _TAKEN


def error(status: int, number: int, message: str, **headers: str) -> Answer:
    return Answer({"error_code": number, "message": message}, status_code=status, headers=headers)


def _on_fault(_request: Request, fault: Exception) -> Answer:
    assert isinstance(fault, InterlockError)
    message = f"{fault.message.rstrip('.')}. {fault.remedy}" if fault.remedy else fault.message
    if fault.status == 401:
        return error(401, 401, message, **{"WWW-Authenticate": 'Basic realm="interlock"'})
    if isinstance(fault, Unavailable):
        return error(503, 50001, f"Error in the backend data store. {message}", **{"Retry-After": "1"})
    number = getattr(fault, "number", fault.status)
    return error(int(str(number)[:3]), number, message)


def _on_invalid(_request: Request, fault: Exception) -> Answer:
    assert isinstance(fault, RequestValidationError)
    wrong = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in fault.errors())
    return error(422, 422, f"The request is not valid: {wrong}")


def _on_bug(_request: Request, _fault: Exception) -> Answer:
    """The fault itself is for the server's log, not for the client."""
    return error(500, 500, "Internal Server Error")


def _on_http(_request: Request, fault: Exception) -> Answer:
    assert isinstance(fault, HTTPException)
    return error(fault.status_code, fault.status_code, f"HTTP {fault.status_code} {fault.detail}")
