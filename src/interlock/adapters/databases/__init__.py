"""Databases whose tables are migrated: connections, positions that are kept in them, and their SQL."""
