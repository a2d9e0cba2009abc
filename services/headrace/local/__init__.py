"""The real Apache Kafka, PostgreSQL and Apicurio Registry as child processes, for the demo, the tests and a laptop.

Reading order: `servers` (all together), `kafka`, `postgres` and `registry` (one each), `cluster` (several brokers),
`server` and `process` (what each of them is),
`tether` (how it ends with its owner), `supervisor` (any other processes, kept running).
"""

from headrace.local.cluster import LocalKafkaCluster
from headrace.local.kafka import LocalKafka
from headrace.local.postgres import LocalPostgres
from headrace.local.process import LocalServerError
from headrace.local.registry import LocalRegistry
from headrace.local.servers import LocalServers
from headrace.local.supervisor import CrashLoopError, Patience, Supervisor

__all__ = [
    "CrashLoopError",
    "LocalKafka",
    "LocalKafkaCluster",
    "LocalPostgres",
    "LocalRegistry",
    "LocalServerError",
    "LocalServers",
    "Patience",
    "Supervisor",
]
