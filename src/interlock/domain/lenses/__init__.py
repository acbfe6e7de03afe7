"""Two-way translations between adjacent versions of a contract."""
