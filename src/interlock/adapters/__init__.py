"""Things outside: each knows the engine and the domain, never a sibling."""
