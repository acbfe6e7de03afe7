"""Metrics from where people keep them: Prometheus, databases, warehouses. Sources are read, never written."""
