"""The Kafka edge: clients and their settings, topics, transactions, reading a partition to its end."""
