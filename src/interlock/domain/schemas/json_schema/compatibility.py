"""The front door: `reads(reader, writer, policy)`."""

from __future__ import annotations

from dataclasses import replace

from interlock.domain.schemas.json_schema.decide import Decider
from interlock.domain.schemas.json_schema.difference import Difference, DifferenceType, Policy
from interlock.domain.schemas.json_schema.document import Document, Schema, SchemaInvalid
from interlock.domain.schemas.json_schema.node import Space
from interlock.domain.schemas.json_schema.search import Reasons, Search, TooLarge
from interlock.domain.schemas.json_schema.shape import of
from interlock.domain.schemas.json_schema.values import Interner

BUDGET = 200_000
"""Goals and evaluations before a comparison is given up; a pair of 10,000 fields takes about 20,000."""

ASSUMPTION = (
    "lenient: writers send only what they declare, readers drop what they do not declare and fill in defaults"
)


def reads(
    reader: Schema, writer: Schema, policy: Policy = Policy.STRICT, budget: int = BUDGET
) -> tuple[Difference, ...]:
    """Why `reader` may not understand what `writer` allows; the two are compatible if no difference is blocking.

    Under STRICT no difference is a proof: every value valid under `writer` is valid under `reader`. What can
    be neither proven nor refuted counts as incompatible, with the reason. Under LENIENT, what only passes by its
    assumption comes back too, not blocking, with the assumption. SchemaInvalid for what is no schema.
    """
    interner = Interner()
    documents = _loaded(reader, "reader", interner), _loaded(writer, "writer", interner)
    reasons = _reasons(*documents, policy, budget)
    if policy is Policy.STRICT:
        return reasons
    known = {(one.type, one.path) for one in reasons}
    assumed = [one for one in _reasons(*documents, Policy.STRICT, budget) if (one.type, one.path) not in known]
    return reasons + tuple(replace(one, is_blocking=False, assumption=ASSUMPTION) for one in assumed)


def _loaded(schema: Schema, role: str, interner: Interner) -> Document:
    try:
        return Document(schema, interner)
    except SchemaInvalid as problem:
        says = f"the {role}'s schema is none: {problem.message}"
        raise SchemaInvalid(says, remedy=problem.remedy, where=problem.where, document=role) from None


def _reasons(reader: Document, writer: Document, policy: Policy, budget: int) -> Reasons:
    space = Space(reader.interner)
    wanted = space.node(reader, reader.place(reader.root, "", ""))
    given = space.node(writer, writer.place(writer.root, "", ""))
    if wanted.number == given.number:
        return ()
    decider = Decider(space, Search(budget), policy)
    try:
        found: Reasons = Search.run(decider.included(of((given,)), wanted, 0))
    except TooLarge:
        says = f"the comparison takes more than {budget} steps, so it is left undecided"
        remedy = "Split the schema, or name its parts under $defs and refer to them."
        return (Difference(DifferenceType.NOT_DECIDED, "", says, remedy),)
    return tuple(dict.fromkeys(found))
