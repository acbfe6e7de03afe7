"""Interlock ships a model or schema change that touches many services as one controlled, reversible change."""

__version__ = "0.1.0"
