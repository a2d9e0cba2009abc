"""What was signed, as far as it can be believed: checkpoints in the database and in files, beside public keys."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from headrace.audit.findings import CHANGED, Finding, Pin
from headrace.audit.signing import Checkpoint, key_id, read_checkpoints, read_public_key
from headrace.kafka.records import Place
from headrace.kernel.errors import Misconfigured


class Evidence(Struct):
    """What was signed of each chain; checkpoints that nobody has signed so; and what was left out."""

    pins: dict[Place, list[Pin]] = {}
    findings: list[Finding] = []
    notes: list[str] = []


def gather(kept: Iterable[Checkpoint], files: Sequence[Path], key_files: Sequence[Path]) -> Evidence:
    """The checkpoints that the database has kept, and those in files; with keys only those that they have signed.

    Without a key nothing is known of who signed, and a note says so. `Misconfigured` for a file that is signed by
    another key: whoever names it relies on it.
    """
    keys = {key_id(key): key for key in map(read_public_key, key_files)}
    evidence = Evidence()
    foreign: dict[str, int] = {}
    for checkpoint in kept:
        if keys and checkpoint.key_id not in keys:
            foreign[checkpoint.key_id] = foreign.get(checkpoint.key_id, 0) + 1
        else:
            _add(evidence, checkpoint, "the checkpoint in the database", keys)
    for path in files:
        for checkpoint in read_checkpoints(path):
            if keys and checkpoint.key_id not in keys:
                raise Misconfigured(
                    f"{path} is signed by the key {checkpoint.key_id}, --public-key is {', '.join(keys)}: which is it?"
                )
            _add(evidence, checkpoint, str(path), keys)
    if evidence.pins and not keys:
        evidence.notes.append("signatures are not checked without --public-key")
    for name, count in sorted(foreign.items()):
        evidence.notes.append(f"{count} checkpoints in the database are signed by another key, {name}: left out")
    return evidence


def _add(evidence: Evidence, checkpoint: Checkpoint, source: str, keys: dict[str, Ed25519PublicKey]) -> None:
    named = f"{source} of {checkpoint.made_at:%Y-%m-%d %H:%M:%S}"
    if keys and not checkpoint.is_signed_by(keys[checkpoint.key_id]):
        what = f"{named} is not as the key {checkpoint.key_id} signed it"
        evidence.findings.append(Finding(*checkpoint.place, None, None, None, CHANGED, what))
        return
    evidence.pins.setdefault(checkpoint.place, []).append(Pin(checkpoint.chain, named))
