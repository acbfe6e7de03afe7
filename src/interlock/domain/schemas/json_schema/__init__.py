"""Whether a reader of one JSON Schema understands everything that another one lets writers send."""

from __future__ import annotations

from interlock.domain.schemas.json_schema.compatibility import BUDGET, reads
from interlock.domain.schemas.json_schema.difference import Difference, DifferenceType, Policy
from interlock.domain.schemas.json_schema.document import Schema, SchemaInvalid

__all__ = ["BUDGET", "Difference", "DifferenceType", "Policy", "Schema", "SchemaInvalid", "reads"]
