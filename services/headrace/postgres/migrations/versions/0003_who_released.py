"""Who released a parked event."""

from alembic import op

revision = "0003"
down_revision = "0002"

ACTOR = """
ALTER TABLE headrace.released ADD COLUMN actor text;
COMMENT ON COLUMN headrace.released.actor IS 'who asked for it, if they said so';
"""


def upgrade() -> None:
    """Add the column."""
    op.execute(ACTOR)
