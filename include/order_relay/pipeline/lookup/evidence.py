"""What a search proves: when a row is our order, and when a missing row means that the destination lacks the order.

The only place that defines both rules; used by the preflight check, lookups of orders in doubt, reconciliation, shadow
mode and `doctor`.

**Presence.** A row counts as ours if its external id is exactly ours, it belongs to our account, and none of its values
contradicts what we sent. A row of another account is not a hit. A row that names no account is settled by the order's
details, or by an operator. A row that contradicts ours is another order: an operator decides.

**Absence.** A missing row means something only if the same request demonstrably finds existing orders. A list of
external ids needs positive controls at both ends (a server may honour only the first or the last id) and, if enough
orders are known, one in the middle. Even then a list proves little (a server may shorten lists or cap rows), so if
orders may have been stored before, each absence is confirmed by a search for that one external id, in a form of request
that finds a control before and after. An account without a past needs no control.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from order_relay.ledger.delivery.resends import RESENDS_EXHAUSTED
from order_relay.ledger.schema.records import LookupFinding, PositiveControl
from order_relay.orders.identity.traits import OTHER, OURS, Traits, conflicting_traits
from order_relay.orders.messages import SearchHit, SearchResult
from order_relay.pipeline.report.comparison_advice import describe_search_problem

MAX_CONTROLS = 3
MAX_SEARCH_KEYS = 100
MAX_KEYS_PER_SEARCH = MAX_SEARCH_KEYS - MAX_CONTROLS
"""Maximum external ids in one search, in addition to the positive controls."""

NO_KNOWN_ORDER, CONTROL_NOT_FOUND = "no_known_order", "control_not_found"
ROWS_WITHOUT_KEY = "rows_without_key"

UNSUPPORTED_SEARCH = frozenset({"undeclared", "unsupported", "parameter_ignored"})
"""Problems that a retry of the search does not solve."""

FOREIGN_ORDER = "foreign_order_with_our_number"
UNIDENTIFIED_ORDER = "unidentified_order_with_our_number"
OPERATOR_REASONS = frozenset({FOREIGN_ORDER, UNIDENTIFIED_ORDER})
"""Reason codes of orders whose external id is used at the destination by an order that is not, or may not be, ours."""

DOUBT_REASONS = OPERATOR_REASONS | {RESENDS_EXHAUSTED}
"""Reason codes of orders in doubt that only an operator can settle."""


@dataclass(frozen=True, slots=True)
class SearchVerdict:
    """The result of a lookup for one external id. ``why``: for operators, without data of the order.

    ``reason``: a code of ``OPERATOR_REASONS``, or empty.
    """

    finding: LookupFinding
    method: str
    why: str
    reason: str = ""


def place_controls(keys: Sequence[str], controls: Sequence[PositiveControl]) -> list[list[str]]:
    """The lists of external ids to search for, with positive controls at both ends and in the middle.

    A server that honours only one end would find a single control placed there, so a single control needs two requests.
    """
    known = [control.key for control in controls[:MAX_CONTROLS]]
    if not known:
        return [list(keys)]
    if len(known) == 1:
        return [[*known, *keys], [*keys, *known]]
    first, last, *middle = known
    half = len(keys) // 2
    return [[first, *keys[:half], *middle, *keys[half:], last]]


def why_not_absent(
    page: SearchResult, controls: Iterable[PositiveControl], *, trust_without_controls: bool = False
) -> str:
    """Why an order missing from the page may exist all the same; empty if the page proves its absence.

    ``trust_without_controls``: a complete page is believed without a control if there is none. For accounts without a
    past, for searches whose form was proven just before, and for results that only inform.
    """
    if not page.complete:
        return page.problem or "incomplete"
    if any(not row.destination_key for row in page.rows):
        return ROWS_WITHOUT_KEY
    wanted = [(control.key, control.oms_id) for control in controls]
    if not wanted:
        return "" if trust_without_controls else NO_KNOWN_ORDER
    shown = {(row.destination_key, row.oms_id) for row in page.rows}
    return "" if all(control in shown for control in wanted) else CONTROL_NOT_FOUND


def shown_controls(page: SearchResult, candidates: Iterable[PositiveControl]) -> list[PositiveControl]:
    """The candidates that the page shows under their own OMS id. For reconciliation, in which a missing candidate may
    itself be a difference: absences then need a second search with controls chosen beforehand."""
    found = hits_by_key(page.rows)
    return [one for one in candidates if any(row.oms_id == one.oms_id for row in found.get(one.key, ()))]


def usable_as_controls(rows: Iterable[SearchHit]) -> list[SearchHit]:
    """The rows whose orders a search by external id can be expected to find."""
    return [
        row
        for row in rows
        if row.destination_key and row.oms_id and "," not in row.destination_key and row.traits.owner != OTHER
    ]


def controls_among(rows: Sequence[SearchHit], asked: Collection[str], now: datetime) -> list[PositiveControl]:
    """Positive controls from the orders that the account shows: the first, the last and the middle one. Orders that
    are not searched for are preferred."""
    rows = [row for row in rows if row.destination_key not in asked] or rows
    some = {row.destination_key: row for row in (*rows[:1], *rows[-1:], *rows[len(rows) // 2 :][:1])}
    return [PositiveControl(row.destination_key, row.oms_id, now) for row in some.values()]


def hits_by_key(rows: Iterable[SearchHit]) -> dict[str, list[SearchHit]]:
    """The rows that may be ours, by external id; rows of another account or without an id are left out."""
    found: dict[str, list[SearchHit]] = {}
    for row in rows:
        if row.destination_key and row.oms_id and row.traits.owner != OTHER:
            found.setdefault(row.destination_key, []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose order one row is. ``kind``: ``ours``, ``other``, ``contradicts``, ``unnamed`` or ``unread``."""

    kind: str
    oms_id: str
    why: str = ""


def determine_ownership(expected: Traits, row: SearchHit, detail: SearchResult) -> Ownership:
    """Whose order a row is, by its values and the order's details (a page without rows: they could not be read)."""
    shown = row.traits
    for one in detail.rows:
        shown = one.traits.merge_with(shown)
        if member := _conflicting_identity(row, one):
            return Ownership("contradicts", row.oms_id, f"{member} in the order's detail")
    if shown.owner == OTHER:
        return Ownership("other", row.oms_id)
    if found := conflicting_traits(expected, shown):
        return Ownership("contradicts", row.oms_id, ", ".join(found))
    if (
        not detail.rows
        and is_transient(detail.problem)
        and not (shown.owner == OURS and expected.totals and shown.totals)
    ):
        return Ownership("unread", row.oms_id, f"the order's detail could not be read ({detail.problem})")
    if shown.owner != OURS:
        return Ownership("unnamed", row.oms_id)
    return Ownership("ours", row.oms_id)


def _conflicting_identity(row: SearchHit, detail: SearchHit) -> str:
    """The identity in which a search and the order's details disagree (neither can then be trusted), or empty."""
    if detail.destination_key and detail.destination_key != row.destination_key:
        return "external id"
    return "account" if row.traits.owner == OURS and detail.traits.owner == OTHER else ""


def combine_ownership(claims: Sequence[Ownership], method: str) -> SearchVerdict | None:
    """The verdict from all rows of one external id; ``None`` if all belong to other accounts."""
    of: dict[str, list[Ownership]] = {}
    for one in claims:
        of.setdefault(one.kind, []).append(one)
    if mine := sorted((one.oms_id for one in of.get("ours", ())), key=lambda text: (len(text), text)):
        more = f"; {len(mine)} orders at the destination have this id" if len(mine) > 1 else ""
        return SearchVerdict(LookupFinding.found(mine[0]), method, f"found{more}")
    if unread := of.get("unread"):
        return SearchVerdict(LookupFinding.unclear(), method, unread[0].why)
    if foreign := of.get("contradicts"):
        ids = ", ".join(one.oms_id for one in foreign[:3])
        members = ", ".join(sorted({one.why for one in foreign}))
        why = f"order {ids} at the destination has our external id but differs from ours in: {members}"
        return SearchVerdict(LookupFinding.unclear(), method, why, FOREIGN_ORDER)
    if unnamed := of.get("unnamed"):
        ids = ", ".join(one.oms_id for one in unnamed[:3])
        why = f"order {ids} at the destination has our external id but does not name its account"
        return SearchVerdict(LookupFinding.unclear(), method, why, UNIDENTIFIED_ORDER)
    return None


def totals_agree(page: SearchResult, controls: Iterable[PositiveControl]) -> bool:
    """Whether totals can be compared at this account: not if every known order shows an unexpected total.

    How the OMS calculates totals (shipping per line or per unit) is not documented.
    """
    rows = {(row.destination_key, row.oms_id): row.traits for row in page.rows}
    shown = [
        not conflicting_traits(Traits(totals=control.totals), traits)
        for control in controls
        if control.totals and (traits := rows.get((control.key, control.oms_id))) and traits.totals
    ]
    return not shown or any(shown)


def is_transient(problem: str) -> bool:
    """Whether a problem may disappear without intervention."""
    return problem in {"unreachable", "http_408", "http_429"} or problem.startswith("http_5")


def is_permanent(problem: str) -> bool:
    """Whether the same search will fail again until the configuration, or what is known of the account, changes."""
    return problem in UNSUPPORTED_SEARCH or problem == NO_KNOWN_ORDER


def describe_failure(page: SearchResult) -> str:
    """A failed search in words: what was asked, and what came back."""
    return f"{page.where or 'the search'}: {describe_search_problem(page.problem or 'incomplete')}"


def split_window(start: datetime, end: datetime, rows: Iterable[SearchHit]) -> datetime:
    """Where to halve a window: between the orders that it shows, so that each half contains some of them."""
    dates = sorted(row.traits.created for row in rows if row.traits.created and start < row.traits.created < end)
    middle = dates[len(dates) // 2] if dates else start + (end - start) / 2
    return min(max(middle.replace(microsecond=0), start + timedelta(seconds=1)), end)
