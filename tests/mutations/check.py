"""The mutation check: break the promise on purpose and see that a test notices. ``make mutations``.

Works on a copy of the project, one breakage at a time: the named tests must pass on the untouched copy and fail on the
broken one. Prints a table; ends with 1 where a breakage survived, or where a test could not even be run.
``--only WORDS`` tries the breakages whose name holds these words.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

from tests.mutations.breakages import BREAKAGES, PACKAGE, Breakage

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("include", "tests", "dags", "scripts", "pyproject.toml", "setup.py")
PATIENCE_S = 120
PASSED, FAILED = 0, 1  # of pytest's exit codes; the others say that nothing was tested


@dataclass(frozen=True)
class Verdict:
    """What the tests said about one breakage. ``said``: the end of their words, where they did not catch it."""

    breakage: Breakage
    caught: bool
    seconds: float
    output: str = ""


def main() -> int:
    """Print the table; 1 where a breakage survived."""
    parser = argparse.ArgumentParser(description="Break the promise on purpose and see that a test notices.")
    parser.add_argument("--only", default="", help="breakages whose name holds these words")
    expected = parser.parse_args().only
    chosen = [breakage for breakage in BREAKAGES if expected in breakage.name]
    if not chosen:
        sys.stderr.write(f"no breakage is called {expected!r}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="order-relay-mutations-") as place:
        tree = copy_of_the_project(Path(place))
        code, output = run_tests(tree, [name for breakage in chosen for name in breakage.caught_by])
        if code != PASSED:
            _say(f"the tests do not pass on the untouched code:\n{output}")
            return 1
        _say("| breakage | caught by | caught | seconds |\n|---|---|---|---:|")
        survived = [verdict for breakage in chosen if not _summary(verdict := attempt(tree, breakage))]
    for verdict in survived:
        _say(f"\n{verdict.breakage.name}: not caught.\n{verdict.output}")
    _say(f"\n{len(chosen) - len(survived)} of {len(chosen)} breakages were caught")
    return 1 if survived else 0


def copy_of_the_project(place: Path) -> Path:
    """What the tests need of the project, below ``place``."""
    tree = place / "project"
    tree.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, tree / name)
    return tree


def attempt(tree: Path, breakage: Breakage) -> Verdict:
    """Break the copy, run the named tests, restore it."""
    began = time.monotonic()
    with _broken(tree, breakage):
        code, output = run_tests(tree, breakage.caught_by)
    # failed, and not merely stopped by an error on the way to the test
    caught = code == FAILED and all(f"FAILED {name}" in output for name in breakage.caught_by)
    return Verdict(breakage, caught, time.monotonic() - began, "" if caught else output)


@contextmanager
def _broken(tree: Path, breakage: Breakage) -> Iterator[None]:
    path = tree / PACKAGE / breakage.file
    whole = path.read_text()
    try:
        _write(path, breakage.broken(whole))
        yield
    finally:
        _write(path, whole)


def _write(path: Path, text: str) -> None:
    """Two changes within a second look alike to the time stamp of a compiled module, so that one is removed."""
    path.write_text(text)
    Path(cache_from_source(str(path))).unlink(missing_ok=True)


def run_tests(tree: Path, names: Iterable[str]) -> tuple[int, str]:
    """Run tests of the copy, on SQLite where they run on both databases; pytest's exit code and its last words."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--no-header",
        "--tb=line",
        "-k",
        "not postgres",
        *dict.fromkeys(names),
    ]
    env = {**os.environ, "PYTHONPATH": str(tree / "include")}
    try:
        done = subprocess.run(
            command, cwd=tree, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"no end after {PATIENCE_S} s"
    return done.returncode, (done.stdout + done.stderr)[-4_000:]


def _summary(verdict: Verdict) -> bool:
    tests = ", ".join(name.rpartition("::")[2] for name in verdict.breakage.caught_by)
    _say(f"| {verdict.breakage.name} | {tests} | {'yes' if verdict.caught else 'NO'} | {verdict.seconds:.1f} |")
    return verdict.caught


def _say(expected: str) -> None:
    sys.stdout.write(expected + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
