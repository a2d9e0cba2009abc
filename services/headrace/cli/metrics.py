"""`headrace metrics`: what can be seen of a running service."""

import typer

from headrace.cli.options import AsJson, print_json


def metrics(*, as_json: AsJson = False) -> None:
    """List the metrics that services show on METRICS_PORT."""
    from headrace.watch.reference import reference  # noqa: PLC0415

    if as_json:
        print_json([{"name": it.name, "kind": it.kind, "labels": it.labels, "text": it.text} for it in reference()])
        return
    typer.echo("| metric | kind | labels | meaning |\n| --- | --- | --- | --- |")
    for family in reference():
        labels = ", ".join(f"`{label}`" for label in family.labels)
        typer.echo(f"| `{family.name}` | {family.kind} | {labels} | {family.text} |")
