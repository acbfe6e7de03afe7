"""The REST API of Confluent Schema Registry, written from its public reference; its clients work unmodified."""
