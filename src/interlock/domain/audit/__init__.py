"""What happened, in a chain that shows any tampering."""
