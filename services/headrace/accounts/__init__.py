"""An account: opened, filled and emptied, frozen and closed; and the holds and credits of transfers on it."""
