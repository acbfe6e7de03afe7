"""The shell's spine: ports, the reconcile loop, and one file of use cases per noun."""
