"""Trials of lost answers: many orders, each with another end of its request, against one kind of search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.faults.case import lost
from tests.support.faults.world import faults_of, world

ANSWERS: tuple[str | int, ...] = (
    "cut",
    "cut_body",
    "hang",
    408,
    409,
    500,
    502,
    503,
    504,
    "empty",
    "no_id",
    "error_in_200",
    "html",
)
"""How an answer to an import gets lost."""

EFFECTS = ("done", "none", "later")
"""The order was stored, was not, or is stored only after we gave up."""

LATER_S = 0.7
VISIBLE_S = 0.7
PATIENCE_S = 2.5
"""Set as the time after which the destination shows what it stored: later than ``LATER_S`` and ``VISIBLE_S``."""


@dataclass(frozen=True)
class Search:
    """``switches`` of the destination, ``extra`` of its connection; ``clear``: every outcome can be determined."""

    switches: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    clear: bool = True
    rules: tuple[Mapping[str, Any], ...] = ()


NO_KEY = {"search_external_id": "error"}
IGNORES = {"search_external_id": "ignored", "unknown_parameters": "ignored"}

SEARCHES: dict[str, Search] = {
    "by external id": Search(extra={"search_by": "external_id"}),
    "by window only": Search(extra={"search_by": "window"}),
    "window, since ids are refused": Search(NO_KEY),
    "window by date of import": Search({**NO_KEY, "date_means": "imported"}),
    "results visible late": Search({"visible_after_s": VISIBLE_S}),
    "search fails": Search(rules=({"at": "search", "answer": 503},), clear=False),
    "search fails now and then": Search(rules=({"at": "search", "answer": "cut", "every": 3},), clear=False),
    "search answers with HTML": Search(rules=({"at": "search", "answer": "html"},), clear=False),
    "search answers with nothing": Search(rules=({"at": "search", "answer": "empty"},), clear=False),
    "unknown parameter ignored, unfiltered page": Search(IGNORES),
    "only ids ignored": Search({"search_external_id": "ignored"}),
    "shifts while it is paged": Search({"shifting_pages": True}, clear=False),
    "window that shifts": Search({**NO_KEY, "shifting_pages": True}, clear=False),
    "rows lack the external id": Search({"rows_carry_external_id": False}),
    "nothing carries the external id": Search(
        {**IGNORES, "rows_carry_external_id": False, "order_carries_external_id": False}, clear=False
    ),
    "no match is an empty body": Search({"no_match": "empty_body"}),
    "no match is HTTP 404 with code 5002": Search({"no_match": "not_found"}),
    "only the first id of a list": Search({"search_terms": "first"}),
    "only the last id of a list": Search({"search_terms": "last"}),
    "every second id of a list": Search({"search_terms": "every_second"}),
    "at most two rows": Search({"search_most_rows": 2, "search_order": "oldest"}),
    "total of the page": Search({"search_total": "of_page"}),
    "pages are ignored": Search({"search_pages": "ignored"}),
    "index is not updated": Search({"search_snapshot": 2}, clear=False),
    "rows name no manufacturer": Search({"rows_carry_manufacturer": False}),
    "nothing names a manufacturer": Search(
        {"rows_carry_manufacturer": False, "order_carries_manufacturer": False}, clear=False
    ),
    "none": Search(
        {**NO_KEY, "date_from_parameters": [], "date_to_parameters": []}, {"search_by": "none"}, clear=False
    ),
}


def lose(params: dict[str, Any]) -> dict[str, Any]:
    """Every answer of ``ANSWERS`` is lost once with this ``effect``, under this ``search``; what was found."""
    search, effect = SEARCHES[params["search"]], params["effect"]
    params = {**params, "extra": {"visible_after_s": PATIENCE_S, **search.extra, **params.get("extra", {})}}
    with world(params) as here:
        case = here.case
        orders = case.plain(len(ANSWERS) + 3)
        keys = [case.key(order) for order in orders]
        struck = dict(zip(keys, ANSWERS, strict=False))
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


def sample() -> list[dict[str, Any]]:
    """The short profile: every search with two of the three effects."""
    return [job for number, job in enumerate(product()) if (number + number // len(EFFECTS)) % len(EFFECTS)]


def product() -> list[dict[str, Any]]:
    """Every search with every effect; each trial loses every answer."""
    return [{"search": search, "effect": effect} for search in SEARCHES for effect in EFFECTS]
