"""A thing: opened, renamed, closed."""
