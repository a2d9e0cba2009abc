import ast
import subprocess
import sys
from pathlib import Path

import headrace_load.verify

SOURCES = sorted(Path(headrace_load.verify.__file__).parent.glob("**/*.py"))


def imports_of(source: Path) -> set[str]:
    """The first part of every module name that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def test_no_file_of_the_verifier_imports_headrace() -> None:
    assert len(SOURCES) > 10
    assert [source.name for source in SOURCES if "headrace" in imports_of(source)] == []


def test_nothing_that_the_verifier_loads_loads_headrace() -> None:
    script = "import sys, headrace_load.verify; sys.exit('headrace' in sys.modules)"
    load = Path(headrace_load.verify.__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", script], cwd=load, check=False)
    assert run.returncode == 0
