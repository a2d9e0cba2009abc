"""What projectors have set aside and what became of it; and which cluster and topic a checkpoint is of."""

from alembic import op

revision = "0002"
down_revision = "0001"

ORIGINS = """
ALTER TABLE headrace.checkpoints ADD COLUMN cluster_id text, ADD COLUMN topic_id text;
COMMENT ON COLUMN headrace.checkpoints.topic_id IS 'of the topic that was read; one made anew has another';
"""

PARKED = """
CREATE TABLE headrace.parked (
    projector    text        NOT NULL,
    topic        text        NOT NULL,
    partition    integer     NOT NULL,
    "offset"     bigint      NOT NULL,
    aggregate_id text        NOT NULL,
    record       bytea       NOT NULL,
    logged_at    timestamptz NOT NULL,
    reason_class text,
    reason       text,
    parked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (projector, topic, partition, "offset")
);
CREATE INDEX parked_by_key ON headrace.parked (projector, topic, partition, aggregate_id);
COMMENT ON TABLE headrace.parked IS 'Events that a projector could not apply, and those of the same key behind them';
COMMENT ON COLUMN headrace.parked.aggregate_id IS 'the record''s key';
COMMENT ON COLUMN headrace.parked.reason_class IS 'null for an event that only waits behind another';
"""

RELEASED = """
CREATE TABLE headrace.released (
    projector    text        NOT NULL,
    topic        text        NOT NULL,
    partition    integer     NOT NULL,
    "offset"     bigint      NOT NULL,
    aggregate_id text        NOT NULL,
    how          text        NOT NULL CHECK (how IN ('redriven', 'discarded')),
    reason       text        CHECK (how = 'redriven' OR reason IS NOT NULL),
    parked_at    timestamptz NOT NULL,
    released_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (projector, topic, partition, "offset", released_at)
);
COMMENT ON TABLE headrace.released IS 'What became of parked events: applied after all, or discarded and why';
"""


def upgrade() -> None:
    """Extend the checkpoints and create the tables."""
    op.execute(ORIGINS)
    op.execute(PARKED)
    op.execute(RELEASED)
