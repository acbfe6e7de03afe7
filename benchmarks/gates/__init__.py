"""The gate laboratory: the production judge and other controllers' rules on the same simulated traffic.

Reading order: worlds (what is true), traffic (what is counted), rule (what a controller may do), the controllers
(flagger, argo, kayenta, growthbook, spotify, ours), trial (one rule in one world), cells (all of them), tables.

Limits: traffic is simulated. Telemetry comes at the end of each block and routing follows at once, for everybody;
latency does not depend on the user; labels take the same time in both arms. The other controllers are re-stated
from their documents, not run: what they measure is given to them without loss or delay, which favours them.
"""
