"""`python -m headrace_load.manifests write` and `check`: the manifests in deploy/kubernetes."""

import shutil
import subprocess
import sys
from typing import Annotated

import typer

from headrace.cli.options import SHIPPED, load_app
from headrace_load.manifests.check import problems_of
from headrace_load.manifests.documents import FOLDER, OVERLAYS, read
from headrace_load.manifests.generate import files_of, write_files

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
Application = Annotated[str, typer.Option("--app", help="The application, as module:attribute.")]


@app.command()
def write(application: Application = SHIPPED) -> None:
    """Write what follows from the application, then build every overlay."""
    if not shutil.which("kubectl"):
        typer.echo("headrace: kubectl is not on the PATH, which builds the overlays", err=True)
        sys.exit(2)
    write_files(files_of(load_app(application)), FOLDER)
    for overlay in OVERLAYS:
        (FOLDER / "built" / f"{overlay}.yaml").write_text(build(overlay))


@app.command()
def check(application: Application = SHIPPED) -> None:
    """Look at what was built; exit code 1 when something is wrong."""
    shipped = load_app(application)
    problems = [f"{overlay}: {problem}" for overlay in OVERLAYS for problem in problems_of(read(overlay), shipped)]
    stale = [path for path, text in files_of(shipped).items() if (FOLDER / path).read_text() != text]
    problems += [f"{path} is not what `make manifests` writes" for path in stale]
    typer.echo("\n".join(problems) or f"{', '.join(OVERLAYS)}: as they must be")
    sys.exit(bool(problems))


def build(overlay: str) -> str:
    """What Kustomize makes of an overlay."""
    command = ["kubectl", "kustomize", str(FOLDER / "overlays" / overlay)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603


if __name__ == "__main__":
    app()
