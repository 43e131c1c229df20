"""Trials of failing storage: an ``OrderRelayError``, a clean retry, no order lost."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from order_relay import failpoints
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
from tests.support.faults.world import World, faults_of, finish, start, world
from tests.support.trials.crashes import ACTS, shape


def _after(here: World, sandbox: Any, expected: dict[str, str], params: dict[str, Any], code: int) -> dict[str, Any]:
    engine = here.engine()
    here.until_quiet(engine)
    verdict = here.verdict(engine, sandbox, expected)
    faults = faults_of(verdict)
    if code not in (0, REPORTED):
        faults["unexpected exit code"] = code
    return {**params, "code": code, "faults": faults, "verdict": verdict}


def full_disk(params: dict[str, Any]) -> dict[str, Any]:
    """No file may grow beyond ``limit`` bytes while the first run works."""

    def work() -> None:
        engine = here.engine()
        no_file_beyond(params["limit"])
        engine.run("full")

    with world(params) as here, here.sandbox({}, []) as sandbox:
        expected = ACTS["first run"].before(here, sandbox)
        here.engine().wiring.close()
        return _after(here, sandbox, expected, params, here.in_child(exit_on_own_errors(work)))


def failing(params: dict[str, Any]) -> dict[str, Any]:
    """From the first call of failpoint ``point`` on, every write to the ledger or the store fails."""

    def work() -> None:
        failpoints.hook = fails_from(params["point"])
        here.engine().run("failing")

    with world(params) as here, here.sandbox({}, []) as sandbox:
        expected = ACTS["first run"].before(here, sandbox)
        here.engine().wiring.close()
        code = here.in_child(exit_on_own_errors(work))
        sandbox.offer(here.case.plain(25)[24:])  # without one known import no look-up can be trusted
        return _after(here, sandbox, expected, params, code)


def read_only(params: dict[str, Any]) -> dict[str, Any]:
    """The ledger can be read but not written during the first run."""

    def work() -> None:
        here.engine(ledger_url=reader(params["ledger_url"])).run("read-only")

    with world(params) as here, here.sandbox({}, []) as sandbox:
        expected = ACTS["first run"].before(here, sandbox)
        here.engine().wiring.close()
        code = here.in_child(exit_on_own_errors(work))
        early = sandbox.report()["imported"]
        result = _after(here, sandbox, expected, params, code)
    if code != REPORTED or early:
        result["faults"]["read-only ledger"] = [code, early]
    return result


def truncated(params: dict[str, Any]) -> dict[str, Any]:
    """The run dies at ``point``; then the objects called ``object`` lose their second half."""
    with world(params) as here, here.sandbox({}, []) as sandbox:
        expected = ACTS["first run"].before(here, sandbox)
        here.in_child(lambda: _stop_at(here, params["point"]))
        spoiled = [path for path in here.folder.rglob(f"{params['object']}*") if path.is_file()]
        for path in spoiled:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        code = here.in_child(exit_on_own_errors(lambda: here.engine().run("next")))
        result = _after(here, sandbox, expected, params, code)
    if not spoiled:
        result["faults"]["nothing was spoiled"] = params["object"]
    return result


def _stop_at(here: World, point: str) -> None:
    def hook(failpoint: str) -> None:
        if shape(failpoint) == point:
            signal.raise_signal(signal.SIGKILL)

    failpoints.hook = hook
    here.engine().run("victim")


def locked(params: dict[str, Any]) -> dict[str, Any]:
    """Somebody locks the ledger for ``seconds`` as soon as the first order was sent."""
    with world(params) as here:
        plain = here.case.plain(20)
        with here.sandbox(here.case.at_destination(latency_ms=30), plain) as sandbox:
            here.engine().wiring.close()
            pid = start(exit_on_own_errors(lambda: here.engine().run("locked")))
            wait(lambda: bool(sandbox.report()["imported"]))
            hold(here.ledger_url, params["seconds"], "submission")
            expected = dict.fromkeys(map(here.case.source_id, plain), "imported")
            return _after(here, sandbox, expected, params, finish(pid))


def restarted(params: dict[str, Any]) -> dict[str, Any]:
    """Somebody restarts the database once the file ``marker`` exists: the first order was sent by then."""
    with world(params) as here:
        plain = here.case.plain(22)
        with here.sandbox(here.case.at_destination(latency_ms=80), plain) as sandbox:
            pid = start(exit_on_own_errors(lambda: here.engine(settle_patience_s=20.0).run("restarted")))
            wait(lambda: bool(sandbox.report()["imported"]))
            Path(params["marker"]).touch()
            code = finish(pid)
            wait(lambda: reachable(here.ledger_url))
            expected = dict.fromkeys(map(here.case.source_id, plain), "imported")
            return _after(here, sandbox, expected, params, code)
