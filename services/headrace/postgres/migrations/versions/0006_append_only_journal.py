"""The journal is append-only by its trigger, too: it is older than the function, and had been left out."""

from alembic import op

revision = "0006"
down_revision = "0005"

# Of statements, and not of rows: what is inserted pays nothing.
APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON headrace.journal
    FOR EACH STATEMENT EXECUTE FUNCTION headrace.refuse_change();
"""


def upgrade() -> None:
    """Create the trigger."""
    op.execute(APPEND_ONLY)
