"""Programs as Python source: what a program does to one record, written out as one function."""
