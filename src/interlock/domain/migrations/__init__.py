"""Moving a table from one contract version to the next in steps that can be taken back."""
