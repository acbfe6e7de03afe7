"""Immutable cuts of a system, and the vendor-free table of how traffic reaches them."""
