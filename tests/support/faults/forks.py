"""A small server that has everything imported and forks a fresh process for each trial: no trial pays for imports.

``Forks.run("crashes:discover", [params, ...])`` gives what the functions returned, in order. A trial that dies or takes
longer than ``TRIAL_S`` is reported as such, with the end of its output.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

TRIAL_S = 150
AT_ONCE = 4

Params = dict[str, Any]


class Forks:
    """The server's handle. Use in a ``with`` block."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once

    def __enter__(self) -> Forks:
        root = Path(__file__).resolve().parents[3]
        paths = [str(root), os.environ.get("PYTHONPATH", "")]
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.faults.forks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)},
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(timeout=60)

    def run(self, function: str, jobs: Sequence[Params]) -> list[Any]:
        """One trial for each entry of ``jobs``, several at a time. Raises ``AssertionError`` where one failed."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        asked = {"function": function, "jobs": list(jobs), "at_once": self._at_once}
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        if not answer:
            raise AssertionError("the server of trials died")
        results: list[Params] = json.loads(answer)
        bad = [f"{job}\n{r['error']}" for job, r in zip(jobs, results, strict=True) if "error" in r]
        if bad:
            raise AssertionError(f"{len(bad)} of {len(jobs)} trials failed; the first:\n{bad[0]}")
        return [r["value"] for r in results]


def _child(function: str, params: Params, result: Path, log: Path) -> None:
    """In the forked process: run the trial and leave its value in a file."""
    handle = os.open(log, os.O_CREAT | os.O_WRONLY)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(0)
    signal.alarm(TRIAL_S)
    try:
        module, _, name = function.partition(":")
        outcome: Params = {"value": getattr(import_module(f"tests.support.trials.{module}"), name)(params)}
    except BaseException:
        outcome = {"error": traceback.format_exc()[-4_000:]}
    result.write_text(json.dumps(outcome, default=str))


def _round(function: str, jobs: list[Params], at_once: int) -> list[Params]:
    with tempfile.TemporaryDirectory(prefix="order-relay-trials-") as place:
        folder = Path(place)
        waiting = list(range(len(jobs)))
        running: dict[int, int] = {}
        codes: dict[int, int] = {}
        while waiting or running:
            while waiting and len(running) < at_once:
                number = waiting.pop(0)
                pid = os.fork()
                if not pid:
                    try:
                        _child(function, jobs[number], folder / f"{number}.json", folder / f"{number}.log")
                    finally:
                        os._exit(0)
                running[pid] = number
            pid, status = os.wait()
            if pid in running:
                codes[running.pop(pid)] = os.waitstatus_to_exitcode(status)
        return [_outcome(folder, number, codes[number]) for number in range(len(jobs))]


def _outcome(folder: Path, number: int, code: int) -> Params:
    result_file = folder / f"{number}.json"
    if result_file.exists():
        outcome: Params = json.loads(result_file.read_text())
        if "error" not in outcome:
            return outcome
        code_text = outcome["error"]
    else:
        code_text = f"the trial died (exit {code})"
    log = folder / f"{number}.log"
    return {"error": f"{code_text}\n{log.read_text(errors='replace')[-2_000:] if log.exists() else ''}"}


def serve() -> None:
    """The server: a line of JSON in, a line of JSON out, until its input ends."""
    from tests.support.faults import world as trial

    trial.warm_up()
    import_module("tests.support.faults.cancelled_orders")  # with the endpoints: else each trial imports them
    while True:
        select.select([sys.stdin], [], [])
        line = sys.stdin.readline()
        if not line:
            return
        asked = json.loads(line)
        sys.stdout.write(json.dumps(_round(asked["function"], asked["jobs"], asked["at_once"])) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
