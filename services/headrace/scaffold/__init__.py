"""`headrace new`: a working domain to begin from. `things` is one, and what is written is its text with other names."""
