"""The loop that handlers and reactors run: records in, records and offsets out, in one Kafka transaction a batch."""
