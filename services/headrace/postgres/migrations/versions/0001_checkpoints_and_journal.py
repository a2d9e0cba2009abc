"""Checkpoints of the projectors, and the journal: every event as it stood in the log, for good."""

from alembic import op

revision = "0001"
down_revision = None

CHECKPOINTS = """
CREATE TABLE headrace.checkpoints (
    projector      text        NOT NULL,
    topic          text        NOT NULL,
    partition      integer     NOT NULL,
    next_offset    bigint      NOT NULL,
    command_offset bigint      NOT NULL DEFAULT -1,
    log_time       timestamptz,
    owner          text        NOT NULL,
    advanced_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (projector, topic, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE headrace.checkpoints IS 'How far each projector has applied each partition; moves with its rows';
COMMENT ON COLUMN headrace.checkpoints.next_offset IS 'the first event offset that is not applied yet';
COMMENT ON COLUMN headrace.checkpoints.command_offset IS 'of the newest applied event''s command';
"""

JOURNAL = """
CREATE TABLE headrace.journal (
    topic        text        NOT NULL,
    partition    integer     NOT NULL,
    "offset"     bigint      NOT NULL,
    aggregate_id text        NOT NULL,
    version      bigint      NOT NULL,
    record_type  text        NOT NULL,
    logged_at    timestamptz NOT NULL,
    record       bytea       NOT NULL,
    copied_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, aggregate_id, version),
    UNIQUE (topic, partition, "offset")
);
COMMENT ON TABLE headrace.journal IS 'Every event, byte for byte, beyond compaction; append-only';
"""


def upgrade() -> None:
    """Create both."""
    op.execute(CHECKPOINTS)
    op.execute(JOURNAL)
