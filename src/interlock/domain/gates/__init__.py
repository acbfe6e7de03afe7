"""Criteria over evidence whose verdicts may be looked at any time."""
