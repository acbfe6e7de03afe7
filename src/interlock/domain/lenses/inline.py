"""What translates where requests pass: Lua in the proxy itself, or the hop, a process beside it.

Lua runs what needs no expression on bodies whose records stand alone or in a list. The hop runs everything, at the
price of a second connection and a process to watch; so it is chosen only for what Lua lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from interlock.domain.lenses.bodies import BodyShape
from interlock.domain.lenses.ops import Add, Blank, Each, Inside, Nest, Op, Program, Recombine, Unnest, title

LensEngine = Literal["", "lua", "hop"]
"""Empty: nothing is translated."""


def lens_engine(request: Program, response: Program, body: BodyShape) -> LensEngine:
    """The engine that runs both programs; one for both, so that a body passes one of them."""
    if not request and not response:
        return ""
    return "hop" if any(why_hop(request, response, body)) else "lua"


def why_hop(request: Program, response: Program, body: BodyShape) -> Iterator[str]:
    """What Lua lacks for it, as ends of a sentence; none when it can."""
    for role, program in (("request", request), ("response", response)):
        if lacks := lua_lacks(program):
            yield f"the {role} lens has {', '.join(lacks)}"
    if body != "object":
        yield f"bodies are {body}"


def path_lacks(program: Program, body: BodyShape) -> tuple[str, ...]:
    """The ops that no engine can run on bodies of the shape: a tensor holds plain values, no objects, no nulls."""
    return tuple(lack for op in program for lack in _tensor_lacks(op)) if body == "oip" else ()


def _tensor_lacks(op: Op) -> tuple[str, ...]:
    match op:
        case Nest(_, name) | Unnest(_, name) | Inside(name) | Each(name) | Blank(name):
            return (f"{title(op)} of `{name}`",)
        case _:
            return ()


def lua_lacks(program: Program) -> tuple[str, ...]:
    """The ops of `program` that cannot be run in Lua, by kind and field; empty when all can."""
    return tuple(lack for op in program for lack in _lacks(op))


def _lacks(op: Op) -> tuple[str, ...]:
    match op:
        case Recombine(whole, parts):
            [only] = whole if len(whole) == 1 else parts[:1]
            return (f"{title(op)} of `{only.field}`",)
        case Add(field, value=value) if value is not None:
            return (f"{title(op)} of `{field}` with a value",)
        case Inside(field, ops) | Each(field, ops):
            return tuple(f"{lack} in `{field}`" for lack in lua_lacks(ops))
        case _:
            return ()
