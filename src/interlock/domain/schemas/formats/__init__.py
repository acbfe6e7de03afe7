"""Formats of schemas, read into a Contract and written from one; what is not exact is told, field by field."""
