"""`headrace audit verify`, `checkpoint` and `key`: whether somebody has rewritten history, and how to prove it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from headrace.cli.options import AsJson, plain, print_json
from headrace.kernel.errors import Misconfigured
from headrace.postgres.connection import connect
from headrace.postgres.schema import refuse_unmigrated
from headrace.settings import read_settings

if TYPE_CHECKING:
    from headrace.audit.verify import Report


def verify(
    files: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="A file that `checkpoint` wrote, kept elsewhere; for each of them."),
    ] = None,
    keys: Annotated[
        list[Path] | None, typer.Option("--public-key", help="A key whose signatures count; for each of them.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Walk along the hash chains of journal and audit, and name each row that was changed, removed, inserted or moved.

    Whoever has computed all hashes anew is told from what was signed before: in the database, and in files that were
    kept where he could not reach them. Exit code 1 when something was forged.
    """
    from headrace.audit.checkpoints import stored  # noqa: PLC0415 - cryptography is slow to import
    from headrace.audit.evidence import gather  # noqa: PLC0415
    from headrace.audit.tables import Tables  # noqa: PLC0415
    from headrace.audit.verify import verify_history  # noqa: PLC0415

    with Tables(read_settings()) as tables:
        evidence = gather(stored(tables.connection), files or (), keys or ())
        report = verify_history(tables, evidence)
    if as_json:
        print_json(report.as_json())
    else:
        _print_report(report)
    if not report.ok:
        raise typer.Exit(1)


def checkpoint(
    output: Annotated[Path | None, typer.Option(help="A file to append to; without it, standard output.")] = None,
    key: Annotated[
        Path | None, typer.Option(envvar="HEADRACE_AUDIT_KEY", help="The private key to sign with, a PEM file.")
    ] = None,
) -> None:
    """Sign where all hash chains stand now, keep it in the database, and write it out: a line of JSON for each chain.

    Keep the output where nobody can change it who can change the database. Exit code 1, and nothing signed, when what
    the key has signed before is no longer so.
    """
    from headrace.audit.checkpoints import sign  # noqa: PLC0415 - cryptography is slow to import
    from headrace.audit.signing import Signer, as_lines  # noqa: PLC0415

    if key is None:
        raise Misconfigured("HEADRACE_AUDIT_KEY is not set, nor --key: `headrace audit key` makes one")
    signer = Signer(key)
    with _opened(output) as stream, connect(read_settings(), "headrace audit") as connection:
        refuse_unmigrated(connection, ())
        connection.commit()
        made = sign(connection, signer)
        stream.write(as_lines(made).decode())
    if output is not None:
        typer.echo(f"signed {len(made)} chains with the key {signer.key_id}")


def key(output: Annotated[Path, typer.Argument(help="The private key's file; the public one's ends in .pub.")]) -> None:
    """Make a pair of Ed25519 keys: the private one signs checkpoints, the public one verifies them."""
    from headrace.audit.signing import key_id, make_key_pair, read_public_key  # noqa: PLC0415 - as above

    public = make_key_pair(output)
    typer.echo(
        f"{output}: keep it from whoever owns the database; {public} verifies: {key_id(read_public_key(public))}"
    )


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Where to append; `Misconfigured` before anything is done when that is nowhere."""
    if output is None:
        yield sys.stdout
        return
    try:
        stream = output.open("a", encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"--output {output}: {error.strerror}") from error
    with stream:
        yield stream


def _print_report(report: "Report") -> None:
    for table in ("journal", "audit"):
        chains = [chain for chain in report.chains if chain.table == table]
        rows, older = sum(chain.rows for chain in chains), sum(chain.unchained for chain in chains)
        also = f", {older:,} of them older than their chains and in none" if older else ""
        proven = (
            f", {signed} chains as signed before" if (signed := sum(chain.signed_to >= 0 for chain in chains)) else ""
        )
        typer.echo(f"{table}: {len(chains)} chains, {rows:,} rows{also}{proven}")
    for note in report.notes:
        typer.echo(note)
    for finding in report.findings:
        at = f" offset {finding.offset}" if finding.offset is not None else ""
        of = f" ({plain(finding.aggregate_id)} version {finding.version})" if finding.aggregate_id is not None else ""
        typer.echo(f"{finding.topic}[{finding.partition}]{at}{of}: {finding.kind}: {finding.what}")
    typer.echo(f"{len(report.findings)} findings" if report.findings else "nothing was rewritten")
