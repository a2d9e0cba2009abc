"""How a cluster gets the image: it has it, or a tool that starts clusters loads it."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from headrace.kernel.errors import Fault, Misconfigured

ROOT: Final = Path(__file__).parents[3]
BUILD_S: Final = 1_800
PACKAGES: Final = Path("usr", "local", "lib", "python3.11", "dist-packages")
USER: Final = "10001"

Told = Callable[[str], None]


def load_image(kube: str, name: str, told: Told) -> None:
    """Give the tool's cluster the image: the one that Docker has, else one made of Debian and our packages."""
    with tempfile.TemporaryDirectory(prefix="headrace-image-") as folder:
        archive = Path(folder, "image.tar")
        if shutil.which("docker") and _run("docker", "image", "inspect", name):
            told(f"the image is the {name} that Docker has")
            _must("docker", "save", name, "--output", str(archive))
            _must(kube, "load", str(archive))
            return
        if not shutil.which("debootstrap"):
            raise Misconfigured(f"Docker has no image {name} (`make image`), and there is no debootstrap to make one")
        told("the image is made of Debian's base and our packages")
        root = Path(folder, "root")
        _must("debootstrap", "--variant=minbase", "--include=python3", "bookworm", str(root))
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--target", str(root / PACKAGES))
        lock = str(ROOT / "deploy" / "requirements.lock")
        _must(*pip, "--python-version", "3.11", "--only-binary", ":all:", "--require-hashes", "-r", lock)
        shutil.copytree(ROOT / "services" / "headrace", root / PACKAGES / "headrace")
        shutil.copytree(ROOT / "schemas", root / "schemas")  # where a process that starts in / looks for them
        _must("env", f"IMAGE_USER={USER}", kube, "image", str(root), name, "/usr/bin/python3", "-m", "headrace")


def _run(*command: str) -> bool:
    done = subprocess.run(command, capture_output=True, timeout=BUILD_S, check=False)  # noqa: S603
    return done.returncode == 0


def _must(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, check=False)  # noqa: S603
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise Fault(f"{' '.join(command[:3])} failed: {last}")
