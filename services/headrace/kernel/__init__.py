"""What an application is made of: aggregates, facts, views. Pure: the standard library and msgspec, nothing else."""
