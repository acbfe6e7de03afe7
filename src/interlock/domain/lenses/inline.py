"""Which ops can run where requests pass, in the proxy itself: those that need no expression."""

from __future__ import annotations

from interlock.domain.lenses.ops import Add, Each, Inside, Op, Program, Recombine, title


def lua_lacks(program: Program) -> tuple[str, ...]:
    """The ops of `program` that cannot be run in the proxy, by kind and field; empty when all can."""
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
