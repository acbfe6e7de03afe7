"""The lens hop: processes between the proxy and a service that translate bodies, for lenses that Lua cannot run."""
