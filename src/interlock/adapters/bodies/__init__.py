"""Programs on JSON bodies, from bytes to bytes: what `apply.translate_text` means, with what no op touches left as
it is written.

There are two ways, and a body that the first is not sure of takes the second from the beginning:

- `typed`: msgspec reads the fields that ops look at as the contract types them and keeps the text of the others.
- `strict`: the standard library reads everything, numbers keep their digits, and the reference translates.

Where the content is closed and every field required, both take the fields in the order of the contract (objects of
JSON are unordered, RFC 8259 section 4), so that it does not show which way was taken. Other records keep their
order.

Against the Lua of the proxy: the same bodies are accepted, but that bodies which are no UTF-8 are refused here; the
same JSON values come out; numbers that no op touches have the same digits. Keys may have another order, as said;
texts may be escaped in another way, and computed numbers written in another way (`100.0` for `100`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interlock.adapters.bodies.strict import strict_translator
from interlock.adapters.bodies.typed import keyed_translator, typed_translator
from interlock.domain.lenses.ops import Program
from interlock.domain.schemas.field import Field


def body_translator(program: Program, fields: Sequence[Field], is_open: bool = True) -> Callable[[bytes], bytes]:
    """The program as a function from a JSON body to a JSON body: one object, or an array of objects.

    Rejected, and of it for a body that cannot be read: NotUtf8, NotJson, KeyTwice, TooDeep, NoRecords (each with a
    code of its own). No message holds a value.
    """
    is_fixed = not is_open and all(one.required for one in fields)
    strict = strict_translator(program, fields, is_fixed)
    typed = typed_translator(program, fields, strict) if is_fixed else None
    return typed or (strict if is_fixed else keyed_translator(program, fields, strict))
