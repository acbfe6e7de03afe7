"""Who is assigned to what, and how the decision travels with a request."""
