"""Message brokers as sources and targets of the relay: NATS JetStream and Kafka."""
