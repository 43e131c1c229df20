"""Trials of failing storage in a status run: an ``OrderRelayError``, and the next run ends as without the failure."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from order_relay import failpoints
from order_relay_sandbox import ThreadedSandbox
from tests.support.faults.storage import (
    REPORTED,
    exit_on_own_errors,
    fails_from,
    hold,
    no_file_beyond,
    reachable,
    reader,
    wait,
)
from tests.support.faults.world import World, finish, start, world
from tests.support.trials.statuses import CASE, DROP, FILE, SCENARIO, before, evaluated, run

FIRST_PAGE = "before source GET"
HALF = len(FILE) // 2
Trouble = Callable[[World, Callable[[], None]], None]


def full_disk(params: dict[str, Any]) -> dict[str, Any]:
    """No file may grow beyond ``limit`` bytes: neither the ledger, where it is one, nor the archive."""

    def work(here: World) -> None:
        no_file_beyond(params["limit"])
        run(here)

    return _trial(params, work)


def failing(params: dict[str, Any]) -> dict[str, Any]:
    """From the first call of failpoint ``point`` on, every write to the ledger or the store fails."""

    def work(here: World) -> None:
        failpoints.hook = fails_from(params["point"])
        run(here)

    return _trial(params, work, must_report=True)


def read_only(params: dict[str, Any]) -> dict[str, Any]:
    """The ledger can be read but not written."""

    def work(here: World) -> None:
        here.ledger_url = reader(here.ledger_url)
        run(here)

    return _trial(params, work, must_report=True)


def _trial(params: dict[str, Any], work: Callable[[World], None], *, must_report: bool = False) -> dict[str, Any]:
    with world({"case": CASE, **params}) as here, here.sandbox(SCENARIO, []) as sandbox:
        before(here, sandbox)
        code = here.in_child(exit_on_own_errors(lambda: work(here)))
        return _after(here, sandbox, params, code, [REPORTED] if must_report else [0, REPORTED])


def _after(
    here: World,
    sandbox: ThreadedSandbox,
    params: dict[str, Any],
    code: int,
    allowed: list[int],
    pardoned: tuple[str, ...] = (),
) -> dict[str, Any]:
    result = {**evaluated(here, sandbox, params, pardoned), "code": code}
    if code not in allowed:
        result["faults"]["unexpected exit code"] = code
    return result


def locked(params: dict[str, Any]) -> dict[str, Any]:
    """The ledger is locked for ``seconds`` after the first page was requested: the run waits and continues."""
    return _interrupted(params, lambda here, go: hold(here.ledger_url, params["seconds"], "status_event", go), [0])


def restarted(params: dict[str, Any]) -> dict[str, Any]:
    """The database is restarted once the file ``marker`` exists; the file ``marker``.done confirms it."""
    marker = Path(params["marker"])

    def away(here: World, go: Callable[[], None]) -> None:
        marker.touch()
        wait(marker.with_suffix(".done").exists)
        wait(lambda: reachable(here.ledger_url))
        go()

    return _interrupted(params, away, [0, REPORTED])


def _interrupted(params: dict[str, Any], trouble: Trouble, allowed: list[int]) -> dict[str, Any]:
    """A run that waits at its first page until the failure, which gets a function to resume it, has begun."""
    with world({"case": CASE, **params}) as here, here.sandbox(SCENARIO, []) as sandbox:
        before(here, sandbox)
        reached, resumed = here.folder / "reached", here.folder / "resumed"

        def pause(failpoint: str) -> None:
            if failpoint == FIRST_PAGE and not reached.exists():
                reached.touch()
                wait(resumed.exists)

        def work() -> None:
            failpoints.hook = pause
            run(here)

        pid = start(exit_on_own_errors(work))
        wait(reached.exists)
        trouble(here, resumed.touch)
        return _after(here, sandbox, params, finish(pid), allowed)


def growing(params: dict[str, Any]) -> dict[str, Any]:
    """Somebody is at work on the file as long as the run lasts, and completes it later: the run leaves it alone."""
    with world({"case": CASE, **params}) as here, here.sandbox(SCENARIO, []) as sandbox:
        before(here, sandbox)
        drop = here.folder / "batches" / DROP
        drop.write_bytes(FILE[:HALF])
        pid = start(exit_on_own_errors(lambda: run(here, settled_s=0.6)))
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
            drop.write_bytes(FILE[:HALF])
            time.sleep(0.05)
        left = drop.exists() and not (drop.parents[1] / "archive").exists()
        drop.write_bytes(FILE)
        result = _after(here, sandbox, params, os.waitstatus_to_exitcode(ended[1]), [0])
    if not left:
        result["faults"]["read too early"] = DROP
    return result


def cut_off(params: dict[str, Any]) -> dict[str, Any]:
    """The file ends after ``length`` bytes, since its writer died; after the run the whole one comes."""
    with world({"case": CASE, **params}) as here, here.sandbox(SCENARIO, []) as sandbox:
        before(here, sandbox)
        drop = here.folder / "batches" / DROP
        drop.write_bytes(FILE[: params["length"]])
        code = here.in_child(exit_on_own_errors(lambda: run(here)))
        drop.write_bytes(FILE)
        return _after(here, sandbox, params, code, [0], pardoned=("file in", "refused row"))  # those of the half
