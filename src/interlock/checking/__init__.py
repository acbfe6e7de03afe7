"""Where people write and run checks: the decorator, the pytest plugin, and the runner behind `interlock check run`.

Import what you need from its module; `from interlock import check` and `interlock.checking.measures` are the doors.
"""
