"""The records of one order's history. None holds personal data, except ``PersonalTexts``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from order_relay.ledger.oms.oms_statuses import OmsStatus
from order_relay.ledger.operators.shown import shown_revision
from order_relay.ledger.schema.states import State
from order_relay.orders.notes import OrderNote

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Excerpt(Generic[T]):
    """The newest rows of one kind, the oldest of them first, and how many there are in all."""

    rows: tuple[T, ...] = ()
    total: int = 0

    @property
    def omitted(self) -> int:
        """How many older rows are not included."""
        return self.total - len(self.rows)


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """A submission. ``total_minor`` in the currency's minor unit; ``None``: no payload was built yet."""

    id: int
    pipeline: str
    source_id: str
    edition: int
    lineage: str
    order_number: str
    version: int
    problem: str
    batch_id: str
    part: int
    row: int
    first_offered_at: datetime
    last_offered_at: datetime
    state: str
    reason: str
    revision: int
    changed_at: datetime
    due_at: datetime | None
    destination: str
    destination_key: str | None
    payload_name: str
    payload_row: int
    total_minor: int | None
    currency: str
    submitted_at: datetime | None
    attempt: int
    lookups: int
    first_sent_at: datetime | None
    oms_id: str | None
    imported_at: datetime | None
    ack: str | None
    ack_at: datetime | None
    shipped: str | None
    shipped_at: datetime | None
    source_cancelled_at: datetime | None
    cancelled_at: datetime | None
    source_reinstated_at: datetime | None
    cancellation_decided_at: datetime | None
    sent_as: str

    @property
    def cancellation_is_open(self) -> bool:
        """Whether an operator must decide about the source's cancellation (``cancellations.UNDECIDED``)."""
        open_at_destination = self.cancelled_at is None or self.source_reinstated_at is not None
        undecided = self.source_cancelled_at is not None and self.cancellation_decided_at is None
        return self.state == State.IMPORTED and undecided and open_at_destination

    @property
    def shown(self) -> int:
        """What an action must name as the revision shown."""
        return shown_revision(self)


@dataclass(frozen=True, slots=True)
class AttentionEntry:
    """Who is responsible for the order (empty: nobody), and until when it is snoozed."""

    assignee: str
    snoozed_until: datetime | None


@dataclass(frozen=True, slots=True)
class StateEvent:
    """One transition, with who caused it and why."""

    id: int
    at: datetime
    from_state: str
    to_state: str
    revision: int
    run: str
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class ActionEntry:
    """What an operator did beside transitions; ``details``: JSON text without personal data, or ``None``."""

    id: int
    at: datetime
    who: str
    action: str
    why: str
    details: str | None


@dataclass(frozen=True, slots=True)
class SendAttempt:
    """One request to the destination. ``answer_length``: characters of its stored answer, which is personal data."""

    number: int
    run: str
    sent_at: datetime
    settled_at: datetime | None
    outcome: str
    status: int
    code: str
    message: str
    oms_id: str | None
    payload_name: str
    payload_row: int
    answer_length: int


@dataclass(frozen=True, slots=True)
class LookupEntry:
    """One look-up at the destination; ``counted``: its absence counts as proof."""

    id: int
    attempt: int
    at: datetime
    finding: str
    counted: bool
    method: str
    oms_id: str | None
    run: str
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class RefusalEntry:
    """One reason for which validation refused the order; ``pointer``: where in the raw order."""

    position: int
    code: str
    pointer: str
    message: str


@dataclass(frozen=True, slots=True)
class FeedGapEntry:
    """A period in which the order feed left the order out."""

    id: int
    problem: str
    noted_at: datetime
    mended_at: datetime | None


@dataclass(frozen=True, slots=True)
class WriteBackStep:
    """One update of the source. ``answered``: a message of the source is stored, which may be personal data."""

    step: str
    delivery: int
    state: str
    tries: int
    at: datetime
    due_at: datetime | None
    run: str
    answered: bool


@dataclass(frozen=True, slots=True)
class ParcelLine:
    """Units of one item in a parcel; ``odd``: what could not be read."""

    line: str
    item_number: str
    quantity: int
    odd: str


@dataclass(frozen=True, slots=True)
class ParcelEntry:
    """One parcel; ``asks``: why an operator must decide, ``closed``: why it does not count."""

    id: int
    origin: str
    carrier: str
    service: str
    tracking_number: str
    shipped_at: datetime | None
    recorded_at: datetime
    who: str
    why: str
    asks: str
    closed: str
    lines: Excerpt[ParcelLine]


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """One content of a status event. ``state``: ``stands``, ``corrected`` or ``deleted``. ``described``: it has a
    location or a detail, which may be personal data."""

    event_key: str
    revision: int
    kind: str
    status: str
    parcel: str
    happened_at: datetime | None
    updated_at: datetime | None
    first_seen_at: datetime
    state: str
    channel: str
    described: bool


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The order at a fulfilment service; ``parcels``: parcel, status and time."""

    account: str
    order_number: str
    order_status: str
    detailed_status: str
    parcels: tuple[tuple[str, str, datetime | None], ...]
    changed_at: datetime | None
    seen_at: datetime | None
    asks: str
    events: Excerpt[ServiceEvent]


@dataclass(frozen=True, slots=True)
class UnreadEntry:
    """The failed requests for the order's content at its source."""

    problem: str
    why: str
    since: datetime
    asks: int
    last_at: datetime
    due_at: datetime


@dataclass(frozen=True)
class OrderHistory:
    """One submission and the newest rows of every other table about it.

    ``checked_at``: when it last passed validation. ``refusals``: those of the latest validation.
    ``runs``: which of the runs that are named here are runs of the order's pipeline. ``oms``: what became of it at its
    destination.
    """

    order: OrderFacts
    notes: tuple[OrderNote, ...]
    checked_at: datetime | None
    events: Excerpt[StateEvent]
    actions: Excerpt[ActionEntry]
    attempts: Excerpt[SendAttempt]
    lookups: Excerpt[LookupEntry]
    refusals: Excerpt[RefusalEntry]
    left_out: Excerpt[FeedGapEntry]
    write_back: Excerpt[WriteBackStep]
    parcels: Excerpt[ParcelEntry]
    statuses: tuple[ServiceStatus, ...]
    unread: UnreadEntry | None
    attention: AttentionEntry | None
    runs: frozenset[str]
    oms: OmsStatus | None = None


@dataclass(frozen=True)
class PersonalTexts:
    """Columns of the ledger that may hold personal data; show them to an entitled operator only, and never log them.

    ``answers``: by attempt, the body and the remark of the answer. ``write_back``: by step and delivery, the source's
    message. ``events``: location and detail by account, order number there, event key and revision.
    """

    customer_number: str
    customer_po: str
    ack_message: str
    answers: Mapping[int, tuple[str, str]]
    write_back: Mapping[tuple[str, int], str]
    events: Mapping[tuple[str, str, str, int], tuple[str, str]]
