"""`headrace doctor`: looks once at all that a cluster needs, and says in a line each what is wrong and what to do.

Reading order: `finding` (what is said), `servers`, `topics`, `groups`, `tables`, `contracts`, `waiting` (what is looked
at), `rounds` (in which order, and what is left out when a server is away).
"""
