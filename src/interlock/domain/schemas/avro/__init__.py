"""Avro schemas: read by Apache's own library, and compared by the specification's schema resolution."""
