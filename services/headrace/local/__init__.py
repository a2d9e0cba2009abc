"""The real Apache Kafka and the real PostgreSQL as child processes, for the demo, the tests and a laptop.

Reading order: `servers` (both together), `kafka` and `postgres` (one each), `cluster` (several brokers), `process`
(what a server process is),
`tether` (how it ends with its owner), `supervisor` (any other processes, kept running).
"""

from headrace.local.cluster import LocalKafkaCluster
from headrace.local.kafka import LocalKafka
from headrace.local.postgres import LocalPostgres
from headrace.local.process import LocalServerError
from headrace.local.servers import LocalServers
from headrace.local.supervisor import CrashLoopError, Patience, Supervisor

__all__ = [
    "CrashLoopError",
    "LocalKafka",
    "LocalKafkaCluster",
    "LocalPostgres",
    "LocalServerError",
    "LocalServers",
    "Patience",
    "Supervisor",
]
