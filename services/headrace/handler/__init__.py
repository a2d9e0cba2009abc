"""The handler: commands in, events and outcomes out, in one Kafka transaction with the commands' offsets."""
