"""Signed checkpoints: what was signed of a chain proves that nothing up to there was rewritten since.

Ed25519. The private key belongs where the database's owner is not; the public one verifies.
"""

import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from headrace.audit.chain import Head
from headrace.kafka.records import Place
from headrace.kernel.errors import Misconfigured

PRIVATE_MODE: Final = 0o600
PEM: Final = serialization.Encoding.PEM


class Statement(Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed, as JSON without spaces in this order: a chain's head at a time. The head is in hexadecimal."""

    topic: str
    partition: int
    starts_at: int
    unchained: int
    length: int
    offset: int
    head: str
    made_at: datetime
    key_id: str

    @property
    def place(self) -> Place:
        """The chain's partition."""
        return self.topic, self.partition

    @property
    def chain(self) -> Head:
        """The head."""
        return Head(self.starts_at, self.unchained, self.length, self.offset, bytes.fromhex(self.head))


class Checkpoint(Statement, frozen=True, forbid_unknown_fields=True):
    """A statement and its signature; one is a line of a checkpoint file."""

    signature: bytes

    @property
    def statement(self) -> Statement:
        """What is signed."""
        return Statement(*(getattr(self, name) for name in Statement.__struct_fields__))

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether it is as the key's owner signed it."""
        try:
            key.verify(self.signature, msgspec.json.encode(self.statement))
        except InvalidSignature:
            return False
        return True


class Signer:
    """Signs with the private key in a file."""

    def __init__(self, path: Path) -> None:
        self._key = read_private_key(path)
        self.key_id = key_id(self._key.public_key())

    def sign(self, heads: dict[Place, Head]) -> list[Checkpoint]:
        """A checkpoint of each chain that has rows, as of now."""
        now = datetime.now(UTC)
        return [self._sign(place, head, now) for place, head in sorted(heads.items()) if head.length]

    def _sign(self, place: Place, head: Head, now: datetime) -> Checkpoint:
        counts = (head.starts_at, head.unchained, head.length, head.offset)
        said = Statement(*place, *counts, head.hash.hex(), now, self.key_id)
        return Checkpoint(**msgspec.structs.asdict(said), signature=self._key.sign(msgspec.json.encode(said)))


def make_key_pair(path: Path) -> Path:
    """Write a new private key, for its owner alone, and the public one beside it, whose path is returned.

    `Misconfigured` where there is one already.
    """
    key = Ed25519PrivateKey.generate()
    public = path.with_name(f"{path.name}.pub")
    for file in (path, public):
        if file.exists():
            raise _is_there(file)  # before one of them is written
    nothing = serialization.NoEncryption()
    _write(path, key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, nothing), PRIVATE_MODE)
    _write(public, key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo), 0o644)
    return public


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file; `Misconfigured` where there is none."""
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Misconfigured(
            f"{path} holds no private key without a password: `headrace audit key` makes one"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"{path} holds a key that is not Ed25519's: `headrace audit key` makes one")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file; `Misconfigured` where there is none."""
    try:
        key = serialization.load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Misconfigured(f"{path} holds no public key: `headrace audit key` makes one, FILE.pub") from error
    if not isinstance(key, Ed25519PublicKey):
        raise Misconfigured(f"{path} holds a key that is not Ed25519's: `headrace audit key` makes one")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """What a key is called: the beginning of the SHA-256 of its 32 bytes."""
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


def read_checkpoints(path: Path) -> list[Checkpoint]:
    """The checkpoints in a file; `Misconfigured` names the line that is none."""
    found = []
    for number, line in enumerate(_read(path).splitlines(), 1):
        try:
            checkpoint = msgspec.json.decode(line, type=Checkpoint)
            bytes.fromhex(checkpoint.head)
        except ValueError as error:
            raise Misconfigured(f"{path} line {number} is no checkpoint: {error}") from error
        found.append(checkpoint)
    if not found:
        raise Misconfigured(f"{path} is empty: `headrace audit checkpoint --output FILE` writes one")
    return found


def as_lines(checkpoints: list[Checkpoint]) -> bytes:
    """Checkpoints as a file holds them."""
    return msgspec.json.Encoder().encode_lines(checkpoints)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from error


def _write(path: Path, content: bytes, mode: int) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(content)
    except FileExistsError as error:
        raise _is_there(path) from error
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from error


def _is_there(path: Path) -> Misconfigured:
    return Misconfigured(f"{path}: there is such a file; a key that is overwritten verifies nothing any more")
