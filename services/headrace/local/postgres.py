"""One real PostgreSQL server as a local process."""

import contextlib
import functools
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote, urlsplit

import psutil
import psycopg
from psycopg import sql

from headrace.local.ports import LOOPBACK, Ports
from headrace.local.process import LocalServerError, ServerProcess, locked, quote_end, until
from headrace.local.reach import Home, find_home, processes_in
from headrace.local.server import LocalServer

# What was committed survives the server being killed, but not the machine: what is written waits for no disk.
SETTINGS = {
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "fsync": "off",
    "full_page_writes": "off",
}
START_SECONDS = 60.0
STOP_SECONDS = 20.0
STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
StopMode = Literal["fast", "immediate"]


class LocalPostgres(LocalServer):
    """A PostgreSQL server in `directory`, where its data, its log and its port stay from one start to the next.

    `settings` are server settings over the defaults here (benchmarks want `fsync` on). Its user is `postgres`, without
    a password, on the loopback only; on another `host`, an address of this machine, with a password that the address
    holds. A `detached` server outlives this process; any other ends with it.
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        *,
        detached: bool = False,
        host: str = LOOPBACK,
    ) -> None:
        self.directory = directory.absolute()
        self._host = host
        self.settings = SETTINGS | dict(settings or {})
        self._process = ServerProcess(self.directory, "postgres", detached=detached)
        self._ports = Ports(self.directory, 1)

    @property
    def url(self) -> str:
        """The address of the database `postgres`, the same before and after a stop and a start."""
        secret = "" if self._host == LOOPBACK else f":{password_file(self._home).read_text()}"
        return f"postgresql://postgres{secret}@{self._host}:{self._ports.known()[0]}/postgres"

    def start(self) -> Self:
        """Start the server and return when it answers. Raises `LocalServerError` with the end of its log."""
        with locked(self.directory / "lock"):
            self._process.claim()
            clear_leftovers(self._home.data)
            self._ports.bring_up(self._process, self._launch, lambda: answers(self.url), START_SECONDS)
        return self

    def stop(self, mode: StopMode = "fast", timeout: float = STOP_SECONDS) -> None:
        """Stop the server: `fast` ends sessions in order, `immediate` leaves recovery to the next start."""
        if self.running and not self._process.end(STOP_SIGNALS[mode], timeout):
            clear_leftovers(self._home.data)

    def kill(self) -> None:
        """Kill all processes of the server (SIGKILL) and return when they are gone."""
        if self.running:
            self._process.end(signal.SIGKILL, 0)
            clear_leftovers(self._home.data)

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop, then start with the same data on the same port."""
        self.stop(mode)
        self.start()

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database, as a copy of `template` when one is named, and return its address."""
        return create_database(self.url, name, template)

    def drop_database(self, name: str) -> None:
        """Remove a database, and end whoever is connected to it."""
        drop_database(self.url, name)

    def remove(self) -> None:
        """Stop the server and remove its folder and its data, wherever they are."""
        self.stop("immediate")
        if self.directory.exists():
            shutil.rmtree(self._home.data.parent)
            shutil.rmtree(self.directory, ignore_errors=True)

    @functools.cached_property
    def _home(self) -> Home:
        return find_home(self.directory)

    def _launch(self, ports: list[int]) -> None:
        home = self._home
        if not (home.data / "PG_VERSION").exists():
            initialise(home)
        settings = {"listen_addresses": self._host, **self.settings, "port": str(ports[0])}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command: list[str | Path] = [home.binaries / "postgres", "-D", home.data, *options]
        self._process.start(command, account=home.account, dies_with_us=signal.SIGQUIT)


def clear_leftovers(data: Path) -> None:
    """End sessions that outlived their server, and forget its lock, whose number another process may have by now."""
    leftovers = processes_in(data)
    for process in leftovers:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    until(lambda: not any(process.is_running() for process in leftovers), STOP_SECONDS)
    (data / "postmaster.pid").unlink(missing_ok=True)


def initialise(home: Home) -> None:
    """Make the data folder of a new server. One that a crash left half made is made anew."""
    draft = home.data.with_name("data.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    password = password_file(home)
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(secrets.token_hex(16))
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--locale-provider=libc", "--no-sync"]
    command = [home.binaries / "initdb", "-D", draft, *options, "--no-instructions", f"--pwfile={password}"]
    run = functools.partial(subprocess.run, command, cwd=draft, capture_output=True, text=True, check=False)
    if home.account is None:
        made = run()
    else:
        for path in (draft, password):
            os.chown(path, home.account.uid, home.account.gid)
        made = run(user=home.account.uid, group=home.account.gid, extra_groups=[])
    if made.returncode != 0:
        raise LocalServerError(f"PostgreSQL cannot make its data folder {draft}:{quote_end(made.stdout + made.stderr)}")
    with (draft / "pg_hba.conf").open("a") as rules:
        rules.write("# Whoever does not come from this machine.\nhost all all all scram-sha-256\n")
    draft.rename(home.data)


def password_file(home: Home) -> Path:
    """Where the password is for those who do not come by the loopback."""
    return home.data.with_name("password")


def create_database(url: str, name: str, template: str | None = None) -> str:
    """Make a database on the server of `url`, as a copy of `template` when one is named, and return its address."""
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template:
        statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
    return urlsplit(url)._replace(path=f"/{quote(name, safe='')}").geturl()


def drop_database(url: str, name: str) -> None:
    """Remove a database from the server of `url`, and end whoever is connected to it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def answers(url: str) -> bool:
    """Whether a server there answers a query."""
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False
