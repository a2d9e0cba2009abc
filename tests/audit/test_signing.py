"""Checkpoints of chains, signed: what verifies, what does not, and what is no key."""

import os
import stat
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from headrace.audit.chain import Head
from headrace.audit.evidence import gather
from headrace.audit.signing import (
    Checkpoint,
    Signer,
    as_lines,
    key_id,
    make_key_pair,
    read_checkpoints,
    read_private_key,
    read_public_key,
)
from headrace.kernel.errors import Misconfigured

HEADS = {
    ("orders.outcomes", 0): Head(0, 0, 3, 7, b"\1" * 32),
    ("orders.events", 1): Head(5, 2, 1, 6, b"\2" * 32),
    ("orders.events", 0): Head(0, 0, 0, -1, b"\3" * 32),
}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key_pair(tmp_path / "key")
    return tmp_path / "key"


@pytest.fixture
def checkpoints(key: Path) -> list[Checkpoint]:
    return Signer(key).sign(HEADS)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_what_is_signed_is_each_chain_that_has_rows(checkpoints: list[Checkpoint], key: Path) -> None:
    assert [(it.place, it.chain) for it in checkpoints] == [
        (place, HEADS[place]) for place in (("orders.events", 1), ("orders.outcomes", 0))
    ]
    public = read_public_key(key.with_suffix(".pub"))
    assert all(it.is_signed_by(public) for it in checkpoints)
    assert {it.key_id for it in checkpoints} == {key_id(public)}


def test_a_file_of_them_reads_as_it_was_written(checkpoints: list[Checkpoint], key: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "saved", as_lines(checkpoints) + as_lines(checkpoints[:1]))
    assert read_checkpoints(path) == [*checkpoints, checkpoints[0]]
    evidence = gather([], [path], [key.with_suffix(".pub")])
    assert [len(evidence.pins[it.place]) for it in checkpoints] == [2, 1]
    assert (evidence.findings, evidence.notes) == ([], [])


@pytest.mark.parametrize("name", [name for name in Checkpoint.__struct_fields__ if name != "key_id"])
def test_a_checkpoint_that_was_changed_is_no_longer_signed(
    name: str, checkpoints: list[Checkpoint], key: Path, tmp_path: Path
) -> None:
    told = msgspec.to_builtins(checkpoints[0])
    other = {"topic": "x.events", "head": "00" * 32, "made_at": "2026-01-01T00:00:00Z", "signature": "AAAA"}
    told[name] = other.get(name, 9)
    evidence = gather([], [write(tmp_path / "saved", msgspec.json.encode(told))], [key.with_suffix(".pub")])
    assert evidence.pins == {}
    [finding] = evidence.findings
    assert "is not as the key" in finding.what


def test_a_checkpoint_of_another_key_in_a_file_is_refused_and_in_the_database_left_out(
    checkpoints: list[Checkpoint], tmp_path: Path
) -> None:
    other = make_key_pair(tmp_path / "other")
    path = write(tmp_path / "saved", as_lines(checkpoints))
    with pytest.raises(Misconfigured, match=r"saved is signed by the key [0-9a-f]{16}, --public-key is [0-9a-f]{16}"):
        gather([], [path], [other])
    evidence = gather(checkpoints, [], [other])
    assert (evidence.pins, evidence.findings) == ({}, [])
    [note] = evidence.notes
    assert note.startswith("2 checkpoints in the database are signed by another key, ")


def test_without_a_key_it_is_said_that_nobody_looked_at_signatures(checkpoints: list[Checkpoint]) -> None:
    assert gather(checkpoints, [], []).notes == ["signatures are not checked without --public-key"]
    assert gather([], [], []).notes == []


def test_a_private_key_is_its_owner_s_alone_and_not_overwritten(key: Path) -> None:
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600  # noqa: PTH116
    before = key.read_bytes()
    with pytest.raises(Misconfigured, match="there is such a file"):
        make_key_pair(key)
    assert key.read_bytes() == before


def test_what_is_no_key_is_told_in_one_line(key: Path, tmp_path: Path) -> None:
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    curve = generate_private_key(SECP256R1())
    other = write(tmp_path / "ec", curve.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    write(tmp_path / "ec.pub", curve.public_key().public_bytes(pem, spki))
    secret = serialization.BestAvailableEncryption(b"secret")
    locked = read_private_key(key).private_bytes(pem, serialization.PrivateFormat.PKCS8, secret)
    for path, said in (
        (tmp_path / "missing", "missing: No such file or directory"),
        (write(tmp_path / "text", b"hello"), "text holds no private key without a password"),
        (write(tmp_path / "locked", locked), "locked holds no private key without a password"),
        (key.with_suffix(".pub"), "key.pub holds no private key"),
        (other, "ec holds a key that is not Ed25519's"),
    ):
        with pytest.raises(Misconfigured, match=said):
            read_private_key(path)
    for path, said in (
        (tmp_path / "missing", "missing: No such file or directory"),
        (key, "key holds no public key"),
        (tmp_path / "ec.pub", "ec.pub holds a key that is not Ed25519's"),
    ):
        with pytest.raises(Misconfigured, match=said):
            read_public_key(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty: `headrace audit checkpoint --output FILE` writes one"),
        (b"hello\n", "line 1 is no checkpoint: "),
        (b"{}\n", "line 1 is no checkpoint: Object missing required field"),
    ],
)
def test_a_file_that_holds_no_checkpoints_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=f"saved {said}"):
        read_checkpoints(write(tmp_path / "saved", content))
