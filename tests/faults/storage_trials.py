"""Trials of failing storage: an error told in our own words, a clean retry, nothing lost."""

from __future__ import annotations

import errno
import resource
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from crash_trials import ACTS, shape
from sqlalchemy import create_engine, make_url
from trial import World, faults_of, finish, start, world

from order_relay import crossings
from order_relay.errors import OrderRelayError
from order_relay.ledger.database import database_url

TOLD = 7
"""Exit code of a worker that ended with one of our own errors."""


def _tell(work: Callable[[], Any]) -> Callable[[], None]:
    """Ends the process with ``TOLD`` for our own errors; any other one is a fault of ours."""

    def run() -> None:
        try:
            work()
        except OrderRelayError as error:
            with suppress(OSError):  # it may not be able to write
                sys.stdout.write(f"told: {type(error).__name__}: {error}\n")
                sys.stdout.flush()
            raise SystemExit(TOLD) from None

    return run


def _after(here: World, sandbox: Any, expected: dict[str, str], params: dict[str, Any], code: int) -> dict[str, Any]:
    engine = here.engine()
    here.until_quiet(engine)
    verdict = here.verdict(engine, sandbox, expected)
    faults = faults_of(verdict)
    if code not in (0, TOLD):
        faults["not told in our words"] = code
    return {**params, "code": code, "faults": faults, "verdict": verdict}


def full_disk(params: dict[str, Any]) -> dict[str, Any]:
    """No file may grow beyond ``limit`` bytes while the first run works."""

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        engine = here.engine()
        resource.setrlimit(resource.RLIMIT_FSIZE, (params["limit"], params["limit"]))
        engine.run("full")

    with world(params) as here, here.sandbox({}, []) as sandbox:
        expected = ACTS["first run"].before(here, sandbox)
        here.engine().wiring.close()
        return _after(here, sandbox, expected, params, here.in_child(_tell(work)))


def failing(params: dict[str, Any]) -> dict[str, Any]:
    """From the first crossing called ``point`` on, every write to the ledger, or to the store, fails."""
    side = params["point"].split()[1]

    def hook(crossing: str) -> None:
        name = shape(crossing)
        if name == params["point"]:
            hit.append(name)
        if hit and name.startswith(f"before {side}"):
            raise sqlite3.OperationalError("database or disk is full") if side == "ledger" else OSError(
                errno.ENOSPC, "No space left on device")

    def work() -> None:
        crossings.hook = hook
        here.engine().run("failing")

    hit: list[str] = []
    with world(params) as here, here.sandbox({}, []) as sandbox:
        expected = ACTS["first run"].before(here, sandbox)
        here.engine().wiring.close()
        code = here.in_child(_tell(work))
        sandbox.offer(here.case.plain(25)[24:])  # without one known import no look-up can be trusted
        return _after(here, sandbox, expected, params, code)


def read_only(params: dict[str, Any]) -> dict[str, Any]:
    """The ledger can be read but not written during the first run."""

    def work() -> None:
        here.engine(ledger_url=_reader(params["ledger_url"])).run("read-only")

    with world(params) as here, here.sandbox({}, []) as sandbox:
        expected = ACTS["first run"].before(here, sandbox)
        here.engine().wiring.close()
        code = here.in_child(_tell(work))
        early = sandbox.report()["imported"]
        result = _after(here, sandbox, expected, params, code)
    if code != TOLD or early:
        result["faults"]["read-only ledger"] = [code, early]
    return result


def _reader(url: str) -> str:
    """The ledger as somebody sees it who may only read."""
    if url.startswith("sqlite"):
        return f"sqlite:///file:{url.removeprefix('sqlite:///')}?mode=ro&uri=true"
    engine = create_engine(database_url(url), isolation_level="AUTOCOMMIT")
    name = f"reader_{make_url(url).database}"
    with engine.connect() as conn:
        conn.exec_driver_sql(f"CREATE ROLE {name} LOGIN")
        conn.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    engine.dispose()
    return url.replace("//relay@", f"//{name}@")


def truncated(params: dict[str, Any]) -> dict[str, Any]:
    """The run dies at ``point``; then the objects called ``object`` lose their second half."""
    with world(params) as here, here.sandbox({}, []) as sandbox:
        expected = ACTS["first run"].before(here, sandbox)
        here.in_child(lambda: _stop_at(here, params["point"]))
        spoiled = [path for path in here.folder.rglob(f"{params['object']}*") if path.is_file()]
        for path in spoiled:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        code = here.in_child(_tell(lambda: here.engine().run("next")))
        result = _after(here, sandbox, expected, params, code)
    if not spoiled:
        result["faults"]["nothing was spoiled"] = params["object"]
    return result


def _stop_at(here: World, point: str) -> None:
    def hook(crossing: str) -> None:
        if shape(crossing) == point:
            signal.raise_signal(signal.SIGKILL)

    crossings.hook = hook
    here.engine().run("victim")


def locked(params: dict[str, Any]) -> dict[str, Any]:
    """Somebody locks the ledger for ``seconds`` as soon as the first order was sent."""
    with world(params) as here:
        plain = here.case.plain(20)
        with here.sandbox(here.case.at_destination(latency_ms=30), plain) as sandbox:
            here.engine().wiring.close()
            pid = start(_tell(lambda: here.engine().run("locked")))
            _wait(lambda: bool(sandbox.report()["imported"]))
            _hold(here.ledger_url, params["seconds"])
            expected = dict.fromkeys(map(here.case.source_id, plain), "imported")
            return _after(here, sandbox, expected, params, finish(pid))


def _hold(url: str, seconds: float) -> None:
    patience = {"timeout": 20} if url.startswith("sqlite") else {}
    engine = create_engine(database_url(url), isolation_level="AUTOCOMMIT", connect_args=patience)
    with engine.connect() as conn:
        if url.startswith("sqlite"):
            conn.exec_driver_sql("BEGIN EXCLUSIVE")
        else:
            conn.exec_driver_sql("BEGIN")
            conn.exec_driver_sql("LOCK TABLE submission IN ACCESS EXCLUSIVE MODE")
        time.sleep(seconds)
        conn.exec_driver_sql("ROLLBACK")
    engine.dispose()


def restarted(params: dict[str, Any]) -> dict[str, Any]:
    """Somebody restarts the database once the file ``marker`` exists: the first order was sent by then."""
    with world(params) as here:
        plain = here.case.plain(22)
        with here.sandbox(here.case.at_destination(latency_ms=80), plain) as sandbox:
            pid = start(_tell(lambda: here.engine(settle_patience_s=20.0).run("restarted")))
            _wait(lambda: bool(sandbox.report()["imported"]))
            Path(params["marker"]).touch()
            code = finish(pid)
            _wait(lambda: _reachable(here))
            expected = dict.fromkeys(map(here.case.source_id, plain), "imported")
            return _after(here, sandbox, expected, params, code)


def _reachable(here: World) -> bool:
    try:
        here.engine().ledger.close()
    except OrderRelayError:
        return False
    return True


def _wait(done: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        threading.Event().wait(0.02)
