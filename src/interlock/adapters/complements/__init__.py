"""Where complements are kept."""
