"""What differences between ledger and OMS mean, and why a search at the OMS proves nothing."""

from __future__ import annotations

from collections.abc import Mapping

from order_relay import COMMAND

DISCREPANCIES: Mapping[str, str] = {
    "missing": "Imported according to the ledger, but two complete searches of the OMS did not return them. Look them "
    "up in the OMS by OMS id: they may have been deleted or given another external id.",
    "doubled": "Several orders in the OMS have the same external id. Cancel all but one before they are shipped.",
    "other_id": "The OMS has the order under another OMS id than the ledger. Check whether our order was cancelled and "
    "entered again.",
    "not_imported": "The OMS has the order, but the ledger does not show it as imported. Do not replay or send it "
    f"before you have checked it: `{COMMAND} order NUMBER`.",
    "unknown": "The OMS has the order and the ledger does not: it was entered by another user, an older script, or a "
    "ledger that was lost. This is normal if others use the account; set `reconcile: alert_unknown: false` then.",
}
"""By kind of difference (``DiscrepancyKind``)."""

SEARCH_PROBLEMS: Mapping[str, str] = {
    "unreachable": "no answer",
    "undeclared": "the vendor has no such search",
    "unsupported": "HTTP 400, this search is not supported",
    "parameter_ignored": "the result contains orders that were not searched for, so a parameter is ignored",
    "answer_not_understood": "the answer is not the documented JSON (possibly an HTML page)",
    "page_missing": "a page of the result is missing",
    "total_changed": "the total changed between two pages",
    "total_wrong": "the result contains more orders than its total",
    "pages_shifted": "one order is on two pages",
    "too_many_pages": "the result does not end",
    "rows_without_key": "the result contains orders without their external id",
    "no_known_order": "no imported order is known that could prove that the search finds orders",
    "control_not_found": "an order that is known to be imported is not found",
    "window_not_whole": "a date range returns fewer orders than its two halves",
    "incomplete": "the result is incomplete",
}
"""By problem of a search (``SearchResult.problem``, ``evidence.why_not_absent``)."""


def describe_search_problem(problem: str) -> str:
    """A problem of a search in words; an unknown code as it is."""
    if problem.startswith("http_"):
        return f"HTTP {problem.removeprefix('http_')}"
    return SEARCH_PROBLEMS.get(problem, problem)
