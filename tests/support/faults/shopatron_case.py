"""Shopatron: what its search may be like, and time-outs of a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.faults.case import LOST_ANSWERS, VISIBLE_S, DestinationSide, Search

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

LIES: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "first id only": {"search_terms": "first"},
    "last id only": {"search_terms": "last"},
    "ends only": {"search_terms": "ends"},
    "first two ids": {"search_terms": "first_two"},
    "every second id": {"search_terms": "every_second"},
    "list cut": {"search_terms": "short"},
    "at most two rows, the oldest": {"search_most_rows": 2, "search_order": "oldest"},
    "at most two rows, the newest": {"search_most_rows": 2},
    "one row for each id": {"search_one_per_id": True},
    "shuffled": {"search_order": "shuffled"},
    "pages ignored": {"search_pages": "ignored"},
    "total of the page": {"search_total": "of_page"},
    "total too high": {"search_total": "too_high"},
    "any manufacturer": {"search_manufacturer": "ignored"},
    "rows name no manufacturer": {"rows_carry_manufacturer": False},
    "nothing names a manufacturer": {"rows_carry_manufacturer": False, "order_carries_manufacturer": False},
    "rows without external id": {"rows_carry_external_id": False},
    "little is shown": {"rows_carry_total": False, "order_shows": "little"},
    "ids ignored": {"search_external_id": "ignored"},
    "ids refused": {"search_external_id": "error"},
    "404 with code 5002": {"no_match": "not_found"},
    "empty body": {"no_match": "empty_body"},
    "shifts while it is paged": {"shifting_pages": True},
}

DESTINATION = DestinationSide(
    vendor="shopatron",
    fields={"timeout_s": 1.0, "visible_after_s": 0.0, "connections": 4},
    harsh={"duplicates": "accept"},
    duplicates=(
        {"duplicates": "accept"},
        {"duplicates": "reject"},
        {"duplicates": "reject", "duplicate_http": 409},
        {"duplicates": "return_existing"},
    ),
    answers=(*LOST_ANSWERS, "no_id", "error_in_200"),
    searches=SEARCHES,
    lies=LIES,
)
