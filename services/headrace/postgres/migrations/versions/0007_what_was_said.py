"""What an exception said that parked an event."""

from alembic import op

revision = "0007"
down_revision = "0006"

SAID = """
ALTER TABLE headrace.parked ADD COLUMN said text;
COMMENT ON COLUMN headrace.parked.said IS 'the exception''s own words, which may quote the event: not for logs';
"""


def upgrade() -> None:
    """Add the column."""
    op.execute(SAID)
