"""What no service sees of itself: brokers, topics, groups without members, Postgres; asked from outside.

Reading order: `groups` (who reads what), `brokers` and `database` (what they say), `families` (as metrics), `loop`.
"""
