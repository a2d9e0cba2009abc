"""The Postgres edge: migrations, connections, checkpoints, and rows read and written a set at a time."""
