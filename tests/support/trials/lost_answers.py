"""Trials of lost answers: many orders, each with another end of its request, against one kind of search."""

from __future__ import annotations

from typing import Any

from tests.support.faults.case import Case, lost
from tests.support.faults.cases import named
from tests.support.faults.world import faults_of, world

EFFECTS = ("done", "none", "later")
"""The order was stored, was not, or is stored only after we gave up."""

LATER_S = 0.7
PATIENCE_S = 2.5
"""Set as the time after which the destination shows what it stored: later than ``LATER_S`` and ``VISIBLE_S``."""


PLAIN = 6
"""Orders whose answers arrive. Enough that one shows that an index stopped after two orders, even if a busy machine
delays some answers: an order in doubt is no control."""


def lose(params: dict[str, Any]) -> dict[str, Any]:
    """Every answer of the destination is lost once with this ``effect``, under this ``search``; what was found."""
    destination, effect = named(params["case"]).destination, params["effect"]
    search, answers = destination.searches[params["search"]], destination.answers
    params = {**params, "extra": {"visible_after_s": PATIENCE_S, **search.extra, **params.get("extra", {})}}
    with world(params) as here:
        case = here.case
        orders = case.plain(len(answers) + PLAIN)
        keys = [case.key(order) for order in orders]
        struck = dict(zip(keys, answers, strict=False))
        rules = [lost(effect, answer, orders=[key], times=1, later_s=LATER_S) for key, answer in struck.items()]
        switches = {**search.switches, **params.get("switches", {}), "faults": [*rules, *search.rules]}
        with here.sandbox(case.at_destination(**switches), orders) as sandbox:
            # where every search fails, a new ledger would not even begin: it asks before its first POST
            engine = here.engine(failures_in_a_row=100, lookup_before_send="never" if search.rules else "auto")
            here.until_quiet(engine, 6)
            sandbox.land()
            verdict = here.verdict(engine, sandbox, {case.source_id(order): "imported" for order in orders})
    faults = faults_of(verdict, doubt=not search.clear)
    names = {case.source_id(order): case.key(order) for order in orders}
    strangers = [i for i in verdict["in_doubt"] if names[i] not in struck]
    if strangers:
        faults["in doubt without a fault"] = strangers
    return {**params, "tried": len(struck), "faults": faults, "verdict": verdict}


def sample(case: Case) -> list[dict[str, Any]]:
    """The short profile: every search with one of the three effects."""
    return [job for number, job in enumerate(product(case)) if (number + number // len(EFFECTS)) % len(EFFECTS) == 0]


def product(case: Case) -> list[dict[str, Any]]:
    """Every search with every effect; each trial loses every answer."""
    return [{"search": search, "effect": effect} for search in case.destination.searches for effect in EFFECTS]
