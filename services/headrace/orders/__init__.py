"""An order: created, paid, shipped and delivered, or cancelled before it is shipped."""
