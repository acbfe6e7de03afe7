"""Alembic migrations, in `versions/`. A new one: write it with its downgrade, raise `tables.REVISION`."""
