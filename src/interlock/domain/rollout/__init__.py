"""A plan under way: its stages, its position, and the pure decision of what is due now."""
