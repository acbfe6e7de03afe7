"""Open Data Contract Standard v3.0 to v3.2: documents as contracts, and contracts as documents, with nothing lost.

What the standard has no place for (the exact type, defaults, units, nullability, closed content, former names) goes
into `customProperties` named `interlock:...`. What the contract has no place for (servers, prices, examples, other
tools' properties) stays with the document that was read, and is in the document that is written again.
"""

from interlock.domain.schemas.odcs.read import from_odcs
from interlock.domain.schemas.odcs.write import to_odcs

__all__ = ["from_odcs", "to_odcs"]
