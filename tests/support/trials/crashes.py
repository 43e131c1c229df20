"""Crash trials: a run is killed at one failpoint, the job runs again until no order is open, then the audit.

An **act** is the situation in which the killed run starts, so that every kind of failpoint occurs: a first run, one
with lookups, one on a new ledger although orders are already at the destination, one whose orders are refused.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from order_relay import failpoints
from order_relay_sandbox import ThreadedSandbox
from tests.support.faults.case import Case, lost
from tests.support.faults.world import World, faults_of, world

Expected = dict[str, str]


@dataclass(frozen=True)
class Act:
    """``before``: what happened until the run that dies; its expected ends. ``healed``: switches set after it.

    ``fits``: whether it can happen to this pair.
    """

    scenario: Callable[[Case], Mapping[str, Any]]
    before: Callable[[World, ThreadedSandbox], Expected]
    healed: Callable[[Case], Mapping[str, Any]] = lambda case: {}
    fits: Callable[[Case], bool] = lambda case: True


def shape(failpoint: str) -> str:
    """The name of a failpoint without run, batch and number: ``before ledger Outcomes.record``."""
    when, where, what = failpoint.split(" ", 2)
    if where == "store":
        verb, _, name = what.partition(" ")
        return f"{when} store {verb} {re.split(r'[-.]', name.rpartition('/')[2])[0]}"
    return f"{when} {where} {what}"


def _ends(case: Case) -> Expected:
    return {case.source_id(order): state for order, state in case.examples() if case.source_id(order)}


def _first(here: World, sandbox: ThreadedSandbox) -> Expected:
    sandbox.offer([order for order, _ in here.case.examples()])
    return _ends(here.case)


def _with_doubts(here: World, sandbox: ThreadedSandbox) -> Expected:
    """Some orders are in doubt, one of them is stored; one was changed, one has a new version."""
    case = here.case
    plain = case.plain(7)
    sandbox.offer(plain)
    keys = [case.key(order) for order in plain]
    faults = [
        lost("done", 504, orders=[keys[2]], times=1),
        lost("none", "cut", orders=[keys[3]], times=1),
        lost("none", 400, orders=[keys[4]], times=1),
    ]
    sandbox.change(case.at_destination(faults=faults))
    engine = here.engine()
    here.run(engine)
    time.sleep(here.waiting_s(engine))
    here.run(engine)  # one absence is on record: the run that dies finds the second
    sandbox.change(case.at_destination(faults=[]))
    engine.wiring.close()
    newer, changed, fresh = case.newer(plain[0]), case.changed(plain[1]), case.examples()[0][0]
    sandbox.offer([newer, changed, fresh])
    ends = dict.fromkeys(map(case.source_id, plain), "imported")
    ends |= {case.source_id(newer): "held", case.source_id(fresh): "imported"}
    ends |= {case.source_id(plain[4]): "rejected", case.source_id(changed): "held"}
    return ends


def _with_a_past(here: World, sandbox: ThreadedSandbox) -> Expected:
    """Orders are at the destination, but their ledger and acknowledgements were lost."""
    case = here.case
    plain = case.plain(6)
    sandbox.offer(plain[:4])
    sandbox.change(case.at_source(faults=[{"at": case.acknowledged_at, "effect": "none", "answer": 503}]))
    old = here.engine(ledger_url=here.another_ledger())
    here.run(old, "of-the-old-ledger")
    old.wiring.close()
    sandbox.change(case.at_source(faults=[]))
    sandbox.offer(plain[4:])
    return dict.fromkeys(map(case.source_id, plain), "imported")


def _refused(here: World, sandbox: ThreadedSandbox) -> Expected:
    """Every first response is 400."""
    plain = here.case.plain(22)
    sandbox.offer(plain)
    # If the run is killed after the refusals and before it resets the orders, an operator has to handle them.
    return dict.fromkeys(map(here.case.source_id, plain), "imported or rejected")


def _locked_out(here: World, sandbox: ThreadedSandbox) -> Expected:
    """The source's password was changed; the killed run still uses the old one."""
    here.extra["source"] = {"password": "old"}
    return _first(here, sandbox)


def _let_in(here: World, sandbox: ThreadedSandbox) -> Expected:
    """The pipeline was suspended after a rejected password; the connection is correct again."""
    expected = _locked_out(here, sandbox)
    engine = here.engine()
    here.run(engine)
    engine.wiring.close()
    del here.extra["source"]
    return expected


def _released(here: World, sandbox: ThreadedSandbox) -> Expected:
    """Orders that waited were released by their source."""
    case = here.case
    assert case.release is not None
    waited = [order for order, state in case.examples() if state == "waiting"]
    sandbox.offer([*waited, *case.plain(2)])
    engine = here.engine()
    here.run(engine)
    engine.wiring.close()
    for order in waited:
        case.release(sandbox, order)
    return dict.fromkeys(map(case.source_id, [*waited, *case.plain(2)]), "imported")


ACTS = {
    "first run": Act(lambda case: {}, _first),
    "with doubts": Act(lambda case: {}, _with_doubts),
    "with a past": Act(lambda case: {}, _with_a_past),
    "all refused": Act(
        lambda case: case.at_destination(faults=[lost("none", 400)]),
        _refused,
        lambda case: case.at_destination(faults=[]),
    ),
    "locked out": Act(lambda case: {}, _locked_out),
    "let in": Act(lambda case: {}, _let_in),
    "released": Act(lambda case: {}, _released, fits=lambda case: case.release is not None),
}


def acts(case: Case) -> list[str]:
    """The acts of a pair."""
    return [name for name, act in ACTS.items() if act.fits(case)]


def discover(params: dict[str, Any]) -> dict[str, int]:
    """One complete run of the act: number of calls of each failpoint, ``before`` and ``after`` separately."""
    act = ACTS[params["act"]]
    with world(params) as here, here.sandbox(act.scenario(here.case), []) as sandbox:
        act.before(here, sandbox)
        return recorded(here, lambda: here.run(here.engine(), "victim"))


def recorded(here: World, work: Callable[[], Any]) -> dict[str, int]:
    """Number of calls of each failpoint while ``work`` runs in a child process."""
    log = here.folder / "failpoints"

    def record() -> None:
        with log.open("a", buffering=1) as file:
            failpoints.hook = lambda failpoint: print(shape(failpoint), file=file)
            work()

    here.in_child(record)
    return dict(Counter(log.read_text().split("\n")[:-1]))


def crash(params: dict[str, Any]) -> dict[str, Any]:
    """Kill the run at the ``number``-th call of failpoint ``point``, run again, and return the findings."""
    act = ACTS[params["act"]]
    with world(params) as here, here.sandbox(act.scenario(here.case), []) as sandbox:
        expected = act.before(here, sandbox)
        code = killed_at(here, params, lambda: here.run(here.engine(), "victim"))
        sandbox.change(act.healed(here.case))
        here.extra.pop("source", None)
        if code:  # new orders arrive: a lookup trusts its search only if it finds an order known to be imported
            sandbox.offer(here.case.plain(25)[24:])
        engine = here.engine()
        here.until_quiet(engine)
        verdict = here.verdict(engine, sandbox, expected)
    return {**params, "killed": code == -signal.SIGKILL, "faults": faults_of(verdict), "verdict": verdict}


def killed_at(here: World, params: Mapping[str, Any], work: Callable[[], Any]) -> int:
    """Run ``work`` in a process killed at the ``number``-th call of failpoint ``point``; its exit code."""
    lock, seen = threading.Lock(), Counter[str]()

    def hook(failpoint: str) -> None:
        name = shape(failpoint)
        with lock:
            seen[name] += 1
            if (name, seen[name]) == (params["point"], params["number"]):
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(10)  # not reached; other threads wait for the lock

    def die() -> None:
        failpoints.hook = hook
        work()

    return here.in_child(die)


def short_profile(found: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str, int]]:
    """Each failpoint at its first and last call, in the first act that has it: act, point, number."""
    home = {point: act for act, hits in reversed([*found.items()]) for point in hits}
    return [(act, point, n) for act, hits in found.items() for point, n in first_and_last(hits) if home[point] == act]


def first_and_last(found: Mapping[str, int]) -> list[tuple[str, int]]:
    """Each failpoint at its first and last call."""
    return [(point, number) for point, most in sorted(found.items()) for number in sorted({1, most})]


def every(found: Mapping[str, int]) -> list[tuple[str, int]]:
    """Each failpoint at each call."""
    return [(point, number) for point, most in sorted(found.items()) for number in range(1, most + 1)]
