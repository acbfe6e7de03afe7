"""Envoy as the data plane: pure translation of the route table, and the effects that keep one Envoy true to it."""
