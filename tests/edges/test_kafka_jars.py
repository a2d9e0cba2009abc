"""Kafka's jars and the Java that runs them: where they come from, and what is said when they do not."""

import functools
import hashlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.local import LocalServerError, jars
from headrace.local.java import find_java, version_of

pytestmark = pytest.mark.edge

CONTENT = b"a jar, near enough"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    jar = tmp_path / "mirror" / "org" / "example" / "engine" / "1.0" / "engine-1.0.jar"
    jar.parent.mkdir(parents=True)
    jar.write_bytes(CONTENT)
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path / "mirror")
    ) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def lock_to(content: bytes, file: Path) -> Path:
    file.write_text(f"org.example:engine:1.0 {hashlib.sha256(content).hexdigest()}\n")
    return file


def test_the_jars_are_fetched_once_and_then_need_no_network(
    tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "LOCK", lock_to(CONTENT, tmp_path / "lock"))
    abandoned = tmp_path / "cache" / f"kafka-{jars.KAFKA_VERSION}.part-of-a-crash"
    abandoned.mkdir(parents=True)
    cache = {"HEADRACE_CACHE": str(tmp_path / "cache")}
    folder = jars.kafka_jars(cache | {"HEADRACE_MAVEN": mirror})
    assert [file.read_bytes() for file in folder.glob("*.jar")] == [CONTENT]
    assert not abandoned.exists()
    assert jars.kafka_jars(cache | {"HEADRACE_MAVEN": "http://127.0.0.1:9"}) == folder


def test_two_processes_that_fetch_at_once_both_get_the_whole_folder(tmp_path: Path, mirror: str) -> None:
    lock = lock_to(CONTENT, tmp_path / "lock")
    script = """if True:
        import sys
        from pathlib import Path
        from headrace.local import jars
        jars.LOCK = Path(sys.argv[1])
        folder = jars.kafka_jars({"HEADRACE_CACHE": sys.argv[2], "HEADRACE_MAVEN": sys.argv[3]})
        print(*(jar.name for jar in folder.iterdir()))
    """
    command = [sys.executable, "-c", script, str(lock), str(tmp_path / "cache"), mirror]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == ["engine-1.0.jar"] * 2


@pytest.mark.parametrize(
    ("repository", "complaint"),
    [("http://127.0.0.1:9", "cannot fetch org.example:engine:1.0 from http://127.0.0.1:9"), (None, "not what")],
    ids=["nobody there", "other content"],
)
def test_a_fetch_that_fails_says_what_to_do_and_leaves_nothing(
    tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch, repository: str | None, complaint: str
) -> None:
    monkeypatch.setattr(jars, "LOCK", lock_to(b"something else", tmp_path / "lock"))
    with pytest.raises(LocalServerError, match=f"{complaint}.*Connect to the network once") as raised:
        jars.kafka_jars({"HEADRACE_CACHE": str(tmp_path / "cache"), "HEADRACE_MAVEN": repository or mirror})
    assert "\n" not in str(raised.value)
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HEADRACE_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, Path("/c")),
        ({"XDG_CACHE_HOME": "/x"}, Path("/x/headrace")),
        ({}, Path.home() / ".cache" / "headrace"),
    ],
    ids=["HEADRACE_CACHE", "XDG_CACHE_HOME", "neither"],
)
def test_the_cache_is_where_the_environment_says(environment: dict[str, str], expected: Path) -> None:
    assert jars.cache(environment) == expected


def java_of(version: str, home: Path) -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    java.chmod(0o755)
    return java


@pytest.mark.parametrize(
    ("home", "path", "chosen"),
    [
        ("21.0.2", "17.0.15", "home"),
        ("1.8.0_402", "17.0.15", "path"),
        (None, "26-ea", "path"),
        ("11.0.1", "11.0.1", "wheel"),
        (None, None, "wheel"),
    ],
)
def test_the_java_is_the_first_one_that_is_new_enough(
    tmp_path: Path, home: str | None, path: str | None, chosen: str
) -> None:
    environment = {"PATH": str(tmp_path / "path" / "bin"), "JAVA_HOME": str(tmp_path / "home")}
    made = {name: java_of(version, tmp_path / name) for name, version in (("home", home), ("path", path)) if version}
    java = find_java(environment)
    assert java == made.get(chosen, java)
    assert (java in made.values()) == (chosen != "wheel")
    assert version_of(java) >= 17
