"""A small, total expression language that means the same on every engine."""
