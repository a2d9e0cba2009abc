"""`python -m headrace_load.cluster`: the overlay `dev` on a real cluster, under load, verified. `make deploy-test`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from headrace.cli.options import in_one_line
from headrace.kernel.errors import Fault, Misconfigured
from headrace.local import LocalServerError
from headrace_load.cluster.image import load_image
from headrace_load.cluster.kubectl import Kubectl
from headrace_load.cluster.run import Played, Told, play
from headrace_load.cluster.stage import NAMESPACE, OPTIONAL, Stage, host_for
from headrace_load.verify.report import CannotVerify

STARTED_S = 600

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def run(
    image: Annotated[str, typer.Option(help="The image, as the cluster has it, or is given it.")] = "headrace:dev",
    host: Annotated[str | None, typer.Option(help="This machine's address, as pods reach it.")] = None,
    kube: Annotated[
        str | None,
        typer.Option(envvar="HEADRACE_KUBE", help="A tool that starts a cluster: up, env, load, image, down."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Apply it with Kafka and Postgres of this machine, delete, drain, roll and scale; exit code 1 when it fails.

    The cluster is the one that KUBECONFIG names, or the one that the tool starts and stops.
    """
    console = Console(stderr=as_json, highlight=False, soft_wrap=True, markup=False)
    began = time.monotonic()

    def told(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s  {text}")

    try:
        with _cluster(kube):
            if kube:
                load_image(kube, image, told)
            played = _play(Stage(image, host_for(Kubectl(NAMESPACE), host)), told)
    except (Misconfigured, LocalServerError) as error:
        console.print(f"headrace: {error}")
        sys.exit(2)
    except (Fault, CannotVerify) as error:
        console.print(f"headrace: {in_one_line(error)}")
        sys.exit(1)
    typer.echo(msgspec.json.format(msgspec.json.encode(played)).decode())
    sys.exit(any(one.findings for one in played))


def _play(stage: Stage, told: Told) -> list[Played]:
    played: list[Played] = []
    with stage:
        told(f"Kafka at {stage.servers.bootstrap_servers}, Postgres beside it")
        took = stage.deploy()
        told("; ".join(f"{name} {seconds:.1f}" for name, seconds in took.items()))
        for group in stage.left_out:
            told(f"the cluster has no {group}: without {OPTIONAL[group]}")
        for one in play(stage, told):
            played.append(one)
            told(f"{one.scene}: {one.told}, {one.sent} sent, longest without progress {one.longest_without_progress_s}")
            told(f"{one.scene}: quiet after {one.quiet_after_s} s, {'; '.join(one.findings) or 'verified'}")
            if one.findings:
                break
    return played


@contextmanager
def _cluster(kube: str | None) -> Iterator[None]:
    """The cluster that a tool starts and stops, for kubectl to find; without a tool the one that is there."""
    if kube is None:
        yield
        return
    try:
        subprocess.run([kube, "up"], check=True, capture_output=True, timeout=STARTED_S)  # noqa: S603
        said = subprocess.run([kube, "env"], check=True, capture_output=True, text=True, timeout=STARTED_S)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise Misconfigured(f"HEADRACE_KUBE={kube} starts no cluster: {error}") from error
    # It prints `export NAME=VALUE …`, for a shell; the PATH may name itself.
    for pair in said.stdout.removeprefix("export ").split():
        name, _, value = pair.partition("=")
        os.environ[name] = value.strip('"').replace("$PATH", os.environ["PATH"])
    try:
        yield
    finally:
        subprocess.run([kube, "down"], check=False, capture_output=True, timeout=STARTED_S)  # noqa: S603


if __name__ == "__main__":
    app()
