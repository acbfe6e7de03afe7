"""The request for a change: what moves, who agreed to exactly that, and who must."""
