"""A schema in one of the foreign languages that cannot be read."""

from __future__ import annotations

from interlock.kernel.errors import Invalid


class SchemaUnreadable(Invalid):
    """A schema's text is not in its language, or refers to what is not there."""

    code = "schema.unreadable"
