"""The command line: one file per group. Everything heavy is imported inside the command that needs it."""
