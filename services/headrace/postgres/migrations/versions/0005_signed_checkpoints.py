"""Signed checkpoints of the hash chains."""

from alembic import op

revision = "0005"
down_revision = "0004"

SIGNED = """
CREATE TABLE headrace.audit_checkpoints (
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    length      bigint      NOT NULL,
    made_at     timestamptz NOT NULL,
    key_id      text        NOT NULL,
    starts_at   bigint      NOT NULL,
    unchained   bigint      NOT NULL,
    last_offset bigint      NOT NULL,
    head        bytea       NOT NULL,
    signature   bytea       NOT NULL,
    PRIMARY KEY (topic, partition, length, made_at, key_id)
);
COMMENT ON TABLE headrace.audit_checkpoints IS
    'Heads of hash chains as they were at a time, signed: a copy elsewhere proves that nothing up to it was rewritten';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON headrace.audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION headrace.refuse_change();
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(SIGNED)
