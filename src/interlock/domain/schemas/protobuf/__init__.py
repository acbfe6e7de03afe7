"""Protobuf schemas: read from text or from a descriptor, and compared by what a reader decodes from the wire."""
