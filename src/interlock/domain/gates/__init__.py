"""Gates: the criteria of a rollout and the sequential evidence that decides them, looked at as often as one likes.

Reading order: gate, verdict, judge (the fold that the engine calls), throttle, ramp, receipt; then the formulas:
table, betting, mixture, limit, latency, outcome, segments, paired, bound.
"""
