"""What the environment says, read once."""

import os
import socket
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from headrace.kernel.errors import Misconfigured

Tuning: TypeAlias = Literal["latency", "default", "throughput"]
# By tuning: what is taken where the environment says nothing else. Latency is half the window and a few milliseconds; a
# row that is kept is a question to Postgres less, and takes some 700 bytes.
TUNINGS: Final = {
    "latency": {"HEADRACE_WINDOW_MS": 5},
    "throughput": {"HEADRACE_WINDOW_MS": 100, "HEADRACE_RECENT_ROWS": 50_000},
}


class Settings(BaseSettings):
    """Addresses and bounds; every field is an environment variable of its alias."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    kafka_bootstrap_servers: str = Field(default="", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    database_url: str = Field(default="", validation_alias="DATABASE_URL")
    registry: str = Field(default="", validation_alias="SCHEMA_REGISTRY_URL", repr=False)
    """A schema registry, whose ids records are then written with; it may hold a password."""
    profile: Literal["local", "production"] = Field(default="production", validation_alias="HEADRACE_PROFILE")
    """`local` takes one broker and short timeouts; `production` refuses less than three replicas."""
    schemas: Path = Field(default=Path("schemas"), validation_alias="HEADRACE_SCHEMAS")
    codec: Literal["auto", "compiled", "python"] = Field(default="auto", validation_alias="HEADRACE_CODEC")
    """What reads and writes records: `auto` is compiled functions where the package was built with them."""
    partitions: int = Field(default=12, ge=1, le=10_000, validation_alias="HEADRACE_PARTITIONS")
    """Partitions of every topic; chosen once, because adding some would move keys."""
    tuning: Tuning = Field(default="default", validation_alias="HEADRACE_TUNING")
    """Another default for the window, and other waits in the clients: what is bought with what."""
    batch_size: int = Field(default=10_000, ge=1, le=20_000, validation_alias="HEADRACE_BATCH_SIZE")
    """Records in one transaction, at most; more than 2,000 only where they take less than a quarter of a second."""
    window_ms: int = Field(default=20, ge=0, le=10_000, validation_alias="HEADRACE_WINDOW_MS")
    """How far apart a handler's transactions begin that are not full, a projector's a quarter of it."""
    dedup_window_s: int = Field(default=300, ge=1, le=86_400, validation_alias="HEADRACE_DEDUP_WINDOW_S")
    """How long a command's id is remembered, in log time."""
    recent_rows: int = Field(default=20_000, ge=1, validation_alias="HEADRACE_RECENT_ROWS")
    """Rows that a view's projector keeps in memory, of those that it wrote last; it may be twice as many. The journal's
    keeps so many aggregates' versions."""
    parked_keys: int = Field(default=1_000, ge=1, validation_alias="HEADRACE_PARKED_KEYS")
    """Aggregates of one partition that may be parked at a time; above it the partition stops."""
    parked_records: int = Field(default=10_000, ge=1, validation_alias="HEADRACE_PARKED_RECORDS")
    """Commands of one partition that may be parked at a time; likewise."""
    parked_bytes: int = Field(default=64_000_000, ge=1, validation_alias="HEADRACE_PARKED_BYTES")
    """Bytes of one partition's parked commands, which are held in memory; likewise."""
    instance: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        min_length=1,
        max_length=200,
        validation_alias="HEADRACE_INSTANCE",
    )
    """Names this process in the events that it writes."""
    metrics_port: int = Field(default=0, ge=0, le=65_535, validation_alias="METRICS_PORT")
    """Where /metrics, /healthz, /readyz and /startupz answer; 0 is nowhere, so that services may share a machine."""
    metrics_host: str = Field(default="0.0.0.0", min_length=1, validation_alias="METRICS_HOST")  # noqa: S104
    """The address of it: all of them, since whoever probes comes from outside."""
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", validation_alias="LOG_LEVEL")
    log_format: Literal["auto", "json", "text"] = Field(default="auto", validation_alias="LOG_FORMAT")
    """`auto` is text on a terminal and JSON elsewhere."""
    restore_digest: bool = Field(default=False, validation_alias="HEADRACE_RESTORE_DIGEST")
    """Whether a takeover logs a digest of each partition's state, for the verifier to compare."""
    audit_key: Path | None = Field(default=None, validation_alias="HEADRACE_AUDIT_KEY")
    """The private key that the projectors of journal and audit sign checkpoints with; without it they sign none."""
    audit_rows: int = Field(default=100_000, ge=1, validation_alias="HEADRACE_AUDIT_ROWS")
    """After so many rows they sign."""
    audit_s: int = Field(default=600, ge=1, validation_alias="HEADRACE_AUDIT_S")
    """After so many seconds they sign what was written in them, if anything was."""
    failpoint: str = Field(default="", validation_alias="HEADRACE_FAILPOINT")
    """For tests: where to die. Refused outside the local profile."""

    @model_validator(mode="before")
    @classmethod
    def _tuned(cls, said: dict[str, Any]) -> dict[str, Any]:
        return {**TUNINGS.get(said.get("HEADRACE_TUNING", ""), {}), **said}

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _in_lower_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @property
    def kafka(self) -> str:
        """The brokers' addresses; `Misconfigured` when there are none."""
        if not self.kafka_bootstrap_servers:
            raise Misconfigured("KAFKA_BOOTSTRAP_SERVERS is not set: try `headrace local up`, which prints it")
        return self.kafka_bootstrap_servers

    @property
    def database(self) -> str:
        """The database's address; `Misconfigured` when there is none."""
        if not self.database_url:
            raise Misconfigured("DATABASE_URL is not set: try `headrace local up`, which prints it")
        return self.database_url


def read_settings() -> Settings:
    """The settings of this process; `Misconfigured` names the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        raise Misconfigured(f"{first['loc'][0]}={first['input']!r}: {first['msg']}") from error
