"""lens: translations between versions of a contract, drafted, checked, explained and tried; offline."""

from __future__ import annotations

import click


@click.group()
def lens() -> None:
    """Lenses: two-way translations between versions of a contract."""
