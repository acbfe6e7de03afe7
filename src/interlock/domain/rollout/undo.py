"""What going back means at each stage; every forward step ships with it."""

from __future__ import annotations

from typing import assert_never

from interlock.domain.rollout.stages import Canary, Climb, Prepare, Promote, Retire, Shadow, Stage, Watch


def undo(stage: Stage) -> str | None:
    """How `stage` is undone, in plain words; None marks a point of no return."""
    match stage:
        case Prepare():
            return "the candidate's routes are removed; no request ever reached it"
        case Shadow():
            return "copies stop; no caller ever saw an answer of the candidate"
        case Canary() | Climb() | Watch():
            return "every key goes back to the baseline at once; requests under way finish where they began"
        case Promote():
            return "every request goes back to the baseline, which is still present"
        case Retire():
            return None
        case _ as unreachable:
            assert_never(unreachable)
