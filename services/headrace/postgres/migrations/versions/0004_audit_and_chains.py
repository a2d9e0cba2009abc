"""Every outcome for good, and hash chains over it and over the journal.

The journal's rows that are there already stay outside of its chains, which begin behind them: each chain says at which
offset it starts and how many rows lie below.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

AUDIT = """
CREATE TABLE headrace.audit (
    topic          text        NOT NULL,
    partition      integer     NOT NULL,
    "offset"       bigint      NOT NULL,
    logged_at      timestamptz NOT NULL,
    asked_at       timestamptz NOT NULL,
    actor          text,
    command_type   text        NOT NULL,
    aggregate_id   text        NOT NULL,
    command_id     text        NOT NULL,
    command_offset bigint      NOT NULL,
    correlation_id text        NOT NULL,
    causation_id   text        NOT NULL,
    result         text        NOT NULL,
    code           text,
    message        text,
    version        bigint      NOT NULL,
    events         integer     NOT NULL,
    repeated       boolean     NOT NULL,
    body_hash      bytea       NOT NULL,
    link           bigint      NOT NULL,
    hash           bytea       NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);
COMMENT ON TABLE headrace.audit IS 'Every outcome, refused ones too: who asked what, when, why, and what came of it';
COMMENT ON COLUMN headrace.audit.logged_at IS 'when the outcome was appended to the log';
COMMENT ON COLUMN headrace.audit.asked_at IS 'when its command was';
COMMENT ON COLUMN headrace.audit.link IS 'the row''s number in the hash chain of its partition';
COMMENT ON COLUMN headrace.audit.hash IS 'over the hash before it and over all columns but these two';
"""

# Ids of refused commands may be as long as a record: an index takes what a valid one has.
INDEXES = """
CREATE INDEX audit_by_time ON headrace.audit (logged_at, topic, partition, "offset");
CREATE INDEX audit_by_subject ON headrace.audit (left(aggregate_id, 200), logged_at, topic, partition, "offset");
CREATE INDEX audit_by_actor ON headrace.audit (left(actor, 200), logged_at, topic, partition, "offset")
    WHERE actor IS NOT NULL;
"""

# Against mistakes: who owns the table can take the trigger away, and the hash chain tells what he did then.
APPEND_ONLY = """
CREATE FUNCTION headrace.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME;
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON headrace.audit
    FOR EACH STATEMENT EXECUTE FUNCTION headrace.refuse_change();
"""

# The check leaves old rows as they are, and keeps processes of an older version from writing unchained ones.
JOURNAL = """
ALTER TABLE headrace.journal ADD COLUMN link bigint, ADD COLUMN hash bytea;
ALTER TABLE headrace.journal ADD CONSTRAINT chained CHECK (link IS NOT NULL AND hash IS NOT NULL) NOT VALID;
COMMENT ON COLUMN headrace.journal.link IS 'the row''s number in the hash chain of its partition';
COMMENT ON COLUMN headrace.journal.hash IS
    'over the hash before it and over all columns but these two and copied_at; null in rows older than the chain';
"""

CHAINS = """
CREATE TABLE headrace.chains (
    topic       text    NOT NULL,
    partition   integer NOT NULL,
    starts_at   bigint  NOT NULL DEFAULT 0,
    unchained   bigint  NOT NULL DEFAULT 0,
    length      bigint  NOT NULL,
    last_offset bigint  NOT NULL,
    head        bytea,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE headrace.chains IS 'Where the hash chain of each partition stands, of the journal and of the audit';
COMMENT ON COLUMN headrace.chains.starts_at IS 'every row from this offset on is in the chain';
COMMENT ON COLUMN headrace.chains.unchained IS 'rows below, which are older than the chain';
INSERT INTO headrace.chains (topic, partition, starts_at, unchained, length, last_offset)
    SELECT topic, partition, max("offset") + 1, count(*), 0, -1 FROM headrace.journal GROUP BY topic, partition;
"""


def upgrade() -> None:
    """Create the audit and the chains, and extend the journal."""
    for statements in (AUDIT, INDEXES, APPEND_ONLY, JOURNAL, CHAINS):
        op.execute(statements)
