"""Measurements of models and their data, on plain sequences (lists, arrays, columns).

Reading order: laws (what a sample says about the true value), judge (threshold and verdict, several at once),
then one module per question.
"""
