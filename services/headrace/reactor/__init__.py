"""The reactor: events and answers in, commands and timers out, in one Kafka transaction with the offsets."""
