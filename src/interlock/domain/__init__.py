"""Pure nouns of the field: no I/O, no clock, no chance, no logging, no async."""
