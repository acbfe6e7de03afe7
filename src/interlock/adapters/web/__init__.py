"""The HTTP API: every use case, once. The command line is its first client."""
