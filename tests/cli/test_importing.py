"""What `headrace import` tells of commands that no handler would take, before a broker is asked."""

from pathlib import Path

import pytest
from msgspec import Struct

from headrace.avro.codec import Codec
from headrace.cli.importing import _lines, _send
from headrace.client import CommandClient
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.settings import Settings
from parts import field, locked, write_part


class Ring(Struct, frozen=True):
    times: int


class Rang(Struct, frozen=True):
    """It rang."""


class Bell(Struct, frozen=True):
    """It hangs."""


bells = Aggregate(
    name="bells", initial=Bell(), decide=lambda *_: [Rang()], evolve=lambda s, _: s, commands=Ring, events=Rang
)


def test_what_does_not_fit_or_is_too_large_is_reported_with_its_line_and_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_part(tmp_path, "command", "Ring", field("times", "int"))
    write_part(tmp_path, "event", "Rang")
    write_part(tmp_path, "state", "Bell")
    app = App(aggregates=(bells,))
    nowhere = Settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", HEADRACE_PROFILE="local")
    client = CommandClient(Codec(app, locked(tmp_path)), nowhere)
    line = '{"aggregate": "bells", "type": "Ring", "id": "b", "fields": {"times": %d}, "actor": "%s"}\n'
    (tmp_path / "in.jsonl").write_text(line % (2**31, "ann") + line % (1, "a" * 12_000) + line % (1, "ann"))
    [counted] = [_send(client, app, entries) for entries in _lines(app, [tmp_path / "in.jsonl"], None)]
    assert counted == ({"Ring": 1}, {"does not fit its schema": 1, "too large": 1})
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{tmp_path}/in.jsonl:1: does not fit its schema: bells b: this Ring does not fit")
    assert second.startswith(f"{tmp_path}/in.jsonl:2: too large: bells b: this Ring is too large: 12")
