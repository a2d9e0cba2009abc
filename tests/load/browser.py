"""A report as a browser sees it: a Chromium from the PATH where there is one, else its structure alone."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LOADS = {"src", "href", "data", "srcset", "poster", "action"}


def assert_opens(page: Path, *figures: str, folder: Path) -> None:
    """The page shows its figures, says nothing on the console, and asks no network for anything."""
    found = Structure(page)
    assert found.outside == []
    assert len(found.scripts) > 1
    if CHROMIUM:
        assert_opens_in_chromium(page, figures, folder)
    elif node := shutil.which("node"):
        for number, script in enumerate(found.scripts):
            file = folder / f"script-{number}.js"
            file.write_text(script)
            subprocess.run([node, "--check", file], check=True)


class Structure(HTMLParser):
    """A page's inline scripts, and what it would load from elsewhere."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.outside: list[str] = []
        self._in_script = False
        self.feed(page.read_text())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append("")
        self.outside += [f"{tag} {name}={value}" for name, value in attrs if name in LOADS and value != "data:,"]

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data

    def handle_endtag(self, _tag: str) -> None:
        self._in_script = False


def assert_opens_in_chromium(page: Path, figures: tuple[str, ...], folder: Path) -> None:
    log = folder / "net.json"
    ran = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--no-first-run",
            "--disable-features=Translate,OptimizationHints,MediaRouter", f"--user-data-dir={folder}/profile",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--log-net-log={log}", "--enable-logging=stderr", "--v=0",
            "--virtual-time-budget=10000", "--dump-dom", page.absolute().as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    console = [line for line in ran.stderr.splitlines() if "CONSOLE" in line]
    assert console == []
    for figure in figures:
        assert figure in ran.stdout
    drawn = len(re.findall(r'<svg class="main-svg"', ran.stdout))
    assert drawn >= 4, f"{drawn} figures drawn"
    assert asked_for(log) == set()


def asked_for(log: Path) -> set[str]:
    """The addresses that requests of the page went to: pages and scripts, not the browser's own housekeeping."""
    found = json.loads(log.read_text())
    kinds = {number: name for name, number in found["constants"]["logEventTypes"].items()}
    urls = {
        event.get("params", {}).get("url", "")
        for event in found["events"]
        if kinds[event["type"]] in ("URL_REQUEST_START_JOB", "CORS_REQUEST")
        and event.get("params", {}).get("initiator", "not an origin") == "null"
    }
    return {url for url in urls if url.startswith(("http", "ws", "ftp"))}
