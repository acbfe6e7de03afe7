"""Schemas of tables and files: their formats, what they hold, and whether they keep to a contract. Needs the extra
`data`, whose libraries are imported when they are used.
"""
