"""Trials with several workers on one ledger: concurrently, and with one suspended while the others continue."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any

from order_relay import failpoints
from tests.support.faults.case import Case
from tests.support.faults.world import World, faults_of, finish, start, world
from tests.support.trials.crashes import shape


def pauses(case: Case) -> list[str]:
    """Failpoints at which a worker is suspended. None is inside a transaction, which would block the others."""
    return [
        f"before {case.acknowledged_by}",
        f"after {case.acknowledged_by}",
        "after ledger Intake.receive",
        "after ledger Payloads.make_ready",
        "after store write chunk",
        "after ledger Claims.claim",
        "before destination import",
        "after destination import",
        "after ledger Outcomes.record",
    ]


def together(params: dict[str, Any]) -> dict[str, Any]:
    """``workers`` processes run the pipeline concurrently on the same orders, while new versions arrive."""
    with world(params) as here:
        case = here.case
        plain = case.plain(14)
        first, later = plain[:10], [case.newer(order) for order in plain[:4]] + plain[10:]
        expected = dict.fromkeys(map(case.source_id, plain), "imported")
        expected |= {case.source_id(order): "imported or superseded" for order in plain[:4]}
        expected |= {case.source_id(order): "imported or held" for order in later[:4]}
        with here.sandbox(case.at_destination(latency_ms=5), first) as sandbox:
            here.engine().wiring.close()  # the first to come makes the ledger
            pids = []
            for number in range(params["workers"]):
                pids.append(start(partial(_runs, here, number)))
                if not number:
                    time.sleep(params.get("lead_s", 0.0))
                    sandbox.offer(later)
            codes = [finish(pid) for pid in pids]
            engine = here.engine()
            here.until_quiet(engine)
            verdict = here.verdict(engine, sandbox, expected)
            posts = sandbox.report()["posts"]
    faults = faults_of(verdict, unacknowledged=True)
    if any(codes):
        faults["workers"] = codes
    again = [key for key, number in posts.items() if number > 1]
    if again:
        faults["sent more than once"] = again
    return {**params, "tried": len(expected), "faults": faults, "verdict": verdict}


def _runs(here: World, worker: int) -> None:
    engine = here.engine()
    for number in range(2):
        with suppress(OSError):
            here.run(engine, f"worker-{worker}-{number}")


def pause(params: dict[str, Any]) -> dict[str, Any]:
    """A worker is suspended at ``point``, the others finish without it, then it resumes."""
    with world(params) as here, here.sandbox({}, here.case.plain(5)) as sandbox:
        expected = dict.fromkeys(map(here.case.source_id, here.case.plain(5)), "imported")
        here.engine().wiring.close()
        pid = start(lambda: _sleep_at(here, params["point"]))
        _, status = os.waitpid(pid, os.WUNTRACED)
        slept = os.WIFSTOPPED(status)
        sandbox.offer(here.case.plain(25)[24:])
        engine = here.engine()
        here.until_quiet(engine)
        if slept:
            os.kill(pid, signal.SIGCONT)
            finish(pid)
        here.until_quiet(engine)
        verdict = here.verdict(engine, sandbox, expected)
    return {**params, "slept": slept, "faults": faults_of(verdict), "verdict": verdict}


def _sleep_at(here: World, point: str) -> None:
    seen = Counter[str]()

    def hook(failpoint: str) -> None:
        name = shape(failpoint)
        seen[name] += 1
        if name == point and seen[name] == 1:
            # to this thread: a signal to the process may be handled by another thread while this one continues
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    failpoints.hook = hook
    here.run(here.engine(), "sleeper")
