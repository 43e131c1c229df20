"""Rows of lists: dictionaries with known keys, since the command line prints them as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from order_relay.ledger.schema.records import OverdueOrders


class OrderCounts(TypedDict):
    """Counts of submissions. ``reasons``: by state and reason; ``notes``: by code, of a run only."""

    received: int
    states: dict[str, int]
    reasons: dict[tuple[str, str], int]
    acknowledged: int
    notes: dict[str, int]


class ClosedBatch(TypedDict):
    """A batch that was taken in."""

    batch_id: str
    manifest_name: str
    records: int
    complete: bool
    fetched_at: datetime
    received_at: datetime
    run: str


class ListedSubmission(TypedDict):
    """A submission in a list."""

    id: int
    revision: int
    pipeline: str
    order_number: str
    source_id: str
    edition: int
    version: int
    lineage: str
    state: str
    reason: str
    changed_at: datetime
    due_at: datetime | None
    batch_id: str
    destination_key: str | None
    attempt: int
    lookups: int
    absent_once_at: datetime | None


class ListedOrder(TypedDict):
    """A row of the list of orders. ``total_minor`` in the currency's minor unit; ``customer_po`` is business data of
    the customer: show it, and never log it. ``shipped``: ``None``, ``partly`` or ``shipped``."""

    id: int
    revision: int
    order_number: str
    source_id: str
    edition: int
    pipeline: str
    state: str
    reason: str
    total_minor: int | None
    currency: str
    customer_po: str
    first_offered_at: datetime
    changed_at: datetime
    oms_id: str | None
    shipped: str | None


class InDoubtSubmission(ListedSubmission):
    """One whose import is unconfirmed, and when it was sent."""

    sent_at: datetime


class QuarantinedSubmission(ListedSubmission):
    """One that is quarantined or rejected, with one reason; ``pointer``: where in the raw order."""

    last_offered_at: datetime
    no_longer_offered: bool
    code: str
    pointer: str
    message: str


class RelatedSubmission(ListedSubmission):
    """One of a group, with what a review compares."""

    part: int
    row: int
    problem: str
    oms_id: str | None
    imported_at: datetime | None
    first_offered_at: datetime
    last_offered_at: datetime
    content_hash: str
    base_number: str
    customer_number: str
    customer_po: str


class ImportedSubmission(TypedDict):
    """One that a run imported; ``total_minor`` in the currency's minor unit; ``why``: the event's text."""

    pipeline: str
    oms_id: str
    order_number: str
    destination_key: str | None
    source_id: str
    edition: int
    total_minor: int | None
    currency: str
    imported_at: datetime
    why: str


class ImportedPayload(TypedDict):
    """Where the payload of an imported order is in the batch store."""

    order_number: str
    payload_name: str
    payload_row: int


class CancelledSubmission(TypedDict):
    """An imported order that its source cancelled, and may have reinstated since. ``revision``: for a decision."""

    id: int
    revision: int
    pipeline: str
    order_number: str
    source_id: str
    oms_id: str
    source_cancelled_at: datetime
    source_reinstated_at: datetime | None
    shipped: str | None


class OpenAlert(TypedDict):
    """An alert whose cause lasts; ``told_at`` is ``None`` before its first delivery, ``repeat_s`` in seconds."""

    pipeline: str
    cause: str
    kind: str
    subject: str
    text: str
    size: int
    told_size: int
    repeat_s: float
    first_at: datetime
    last_at: datetime
    told_at: datetime | None
    next_at: datetime | None
    cleared_at: datetime | None


class RefusedRecord(TypedDict):
    """A status record that could not be used."""

    account: str
    origin: str
    place: str
    code: str
    pointer: str
    message: str
    at: datetime
    run: str
    closed_at: datetime | None
    closed_by: str
    closed_why: str


class RefusedRecords(TypedDict):
    """Open refused records of one origin; ``codes``: code, number and first place."""

    origin: str
    number: int
    codes: list[tuple[str, int, str]]


class StateActivity(TypedDict):
    """Submissions in a state: how many, since when the oldest, and how many of them changed lately."""

    state: str
    reason: str
    n: int
    oldest: datetime
    lately: int


class Activity(TypedDict):
    """What happened in a pipeline in a period; ``acknowledgement``: what is overdue to be acknowledged."""

    states: list[StateActivity]
    received: int
    imported: int
    acknowledged: int
    runs: int
    runs_failed: int
    acknowledgement: OverdueOrders | None
