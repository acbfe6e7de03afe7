"""`python -m interlock` is the command line."""

from interlock.cli.main import main

main()
