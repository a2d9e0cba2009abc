"""Projectors: events in, rows out, rows and positions in one database transaction."""
