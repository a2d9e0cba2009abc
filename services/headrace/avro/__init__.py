"""Records as bytes: contracts, their ids, and the one codec that everything uses."""
