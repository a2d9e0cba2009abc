"""Partitions checked by several processes, each with its own connections; the larger ones first.

A process of its own each, and none that is forked: the clients have threads. It reads its task from standard input and
writes what it found to standard output.
"""

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from confluent_kafka import KafkaException

from headrace_load.verify.clients import read_histories
from headrace_load.verify.database import Database
from headrace_load.verify.partition import Found, Job, Sources, Where
from headrace_load.verify.report import CannotVerify
from headrace_load.verify.schemas import Schemas
from headrace_load.verify.topics import Topics

WORTH_IT: Final = 50_000
"""So many records: fewer are read before another process has started."""
SOURCE_ROOT: Final = Path(__file__).parents[2]


def check_all(where: Where, jobs: list[Job], processes: int) -> list[Found]:
    """What is found in each partition. Raises `CannotVerify` when one cannot be read."""
    if processes <= 1 or sum(job.size for job in jobs) < WORTH_IT:
        return _check(where, jobs)
    shares: list[list[Job]] = [[] for _ in range(min(processes, len(jobs)))]
    for job in sorted(jobs, key=lambda job: job.size, reverse=True):
        min(shares, key=lambda share: sum(one.size for one in share)).append(job)
    with ThreadPoolExecutor(len(shares)) as threads:
        return [found for share in threads.map(lambda share: _elsewhere(where, share), shares) for found in share]


@contextmanager
def refusing() -> Iterator[None]:
    """Whatever servers do not answer, or answer badly, as `CannotVerify`."""
    try:
        yield
    except psycopg.Error as error:
        raise CannotVerify(f"the database does not answer as it must: {' '.join(str(error).split())}") from error
    except KafkaException as error:
        raise CannotVerify(f"the brokers do not answer as they must: {error.args[0].str()}") from error


def _check(where: Where, jobs: list[Job]) -> list[Found]:
    with (
        refusing(),
        Topics(where.kafka) as topics,
        Database(where.database, where.snapshot) as database,
    ):
        histories = read_histories(where.histories, {(job.domain, job.number): job.partitions for job in jobs})
        sources = Sources(Schemas.read(where.schemas), topics, database, histories)
        return [sources.check(job) for job in jobs]


def _elsewhere(where: Where, jobs: list[Job]) -> list[Found]:
    """The same by another process."""
    path = os.pathsep.join([str(SOURCE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(  # noqa: S603 - this very file
        [sys.executable, "-c", f"from {__name__} import main; main()"],
        input=pickle.dumps((where, jobs)),
        capture_output=True,
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise CannotVerify(f"a process that reads partitions ended with code {done.returncode}: {last}")
    found: list[Found] | CannotVerify = pickle.loads(done.stdout)  # noqa: S301 - our own process wrote it
    if isinstance(found, CannotVerify):
        raise found
    return found


def main() -> None:
    """Check the partitions that standard input names."""
    gc.disable()  # millions of records are kept, and nothing of them is in a cycle
    where, jobs = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own process wrote it
    try:
        found: list[Found] | CannotVerify = _check(where, jobs)
    except CannotVerify as error:
        found = error
    pickle.dump(found, sys.stdout.buffer)
