"""Durable state in one SQL database: SQLite for one machine, Postgres for a shared one.

Writers queue on both, so a transaction reads what it then writes. Limits: one database, no sharding; SQLite's
write-ahead log needs a local disk, not a network share.
"""
