"""What is due now: a closed union, performed by the engine, told to people, and replayed by drills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from interlock.domain.rollout.position import Traffic


@dataclass(frozen=True, slots=True)
class Publish:
    """Make the data plane serve `traffic` for this rollout."""

    traffic: Traffic
    kind: Literal["publish"] = "publish"


@dataclass(frozen=True, slots=True)
class Adopt:
    """The candidate's deployments become what serves now."""

    kind: Literal["adopt"] = "adopt"


@dataclass(frozen=True, slots=True)
class Free:
    """Other rollouts may hold these services again."""

    services: tuple[str, ...]
    kind: Literal["free"] = "free"


Action = Publish | Adopt | Free
