"""The three services of the demo: each is a plain Starlette application that installs Interlock's client."""
