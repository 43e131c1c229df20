"""What the ledger takes and gives: plain values, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from order_relay.orders import notes as order_notes
from order_relay.orders.messages import SendResult
from order_relay.orders.money.amounts import CURRENCIES


@dataclass(frozen=True, slots=True)
class UnreadRules:
    """When an order that could not be read is asked for again (``ask_again_s``: the first distance, then doubled), and
    for how long its source must deny it (``gone_after_s``) until it counts as withdrawn."""

    ask_again_s: float = 900.0
    gone_after_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """One closed batch.

    ``complete``: everything that the source has not seen acknowledged, so that an absent order was. ``read_to`` (UTC):
    the source was read without a gap up to here, and the next run need not look before it. ``from_past``: read for an
    interval of the past, of which a new ledger knows nothing. ``unread``: why orders with a problem of
    ``exchange.UNREAD`` could not be read, by source id; ``unread_rules``: when they are asked for again.
    """

    batch_id: str
    manifest_name: str
    records: int
    fetched_at: datetime
    complete: bool = True
    read_to: datetime | None = None
    from_past: bool = False
    unread: Mapping[str, str] = field(default_factory=dict)
    unread_rules: UnreadRules = UnreadRules()


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A submission to judge, and where its raw order lies in the archive."""

    id: int
    revision: int
    state: str
    source_id: str
    batch_id: str
    part: int
    row: int
    problem: str = ""
    lineage: str = ""
    order_number: str = ""
    edition: int = 1
    pipeline: str = ""


@dataclass(frozen=True, slots=True)
class ReadyPayload:
    """A payload that was made for a submission and found valid.

    ``revision`` is the one whose content was used. ``submitted_at`` is when the customer submitted the order, where
    the source tells it: look-ups by date window need it. ``sent_as``: the status that the payload gives the order.
    """

    id: int
    revision: int
    destination_key: str
    payload_name: str
    payload_row: int
    fingerprint: str
    transform_fingerprint: str
    total_minor: int
    currency: str
    notes: Sequence[order_notes.OrderNote] = ()
    submitted_at: datetime | None = None
    sent_as: str = ""


@dataclass(frozen=True, slots=True)
class Sendable:
    """A ready submission, its payload, and how many attempts were made before."""

    id: int
    revision: int
    destination_key: str
    payload_name: str
    payload_row: int
    fingerprint: str
    attempts: int
    lineage: str
    order_number: str = ""
    total_minor: int = 0
    currency: str = ""
    submitted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The committed intent to send. No request may start after ``send_before`` (the database's clock, UTC)."""

    id: int
    attempt: int
    revision: int
    send_before: datetime


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What became of one attempt."""

    id: int
    attempt: int
    answer: SendResult


@dataclass(frozen=True, slots=True)
class InDoubtOrder:
    """A submission in doubt and what a look-up needs to know about it."""

    id: int
    revision: int
    destination_key: str
    attempt: int
    sent_at: datetime
    submitted_at: datetime | None
    absent_once_at: datetime | None
    send_before: datetime | None = None
    order_number: str = ""
    lookups: int = 0
    reason: str = ""
    payload_name: str = ""
    payload_row: int = 0
    total_minor: int = 0
    currency: str = ""


@dataclass(frozen=True, slots=True)
class PositiveControl:
    """An order known to be at the destination, which a search that works must find: a positive control."""

    key: str
    oms_id: str
    imported_at: datetime
    submitted_at: datetime | None = None
    total_minor: int = 0
    currency: str = ""

    @property
    def totals(self) -> tuple[Decimal, ...]:
        """See ``whole_total``."""
        return decimal_total(self.total_minor, self.currency)


def decimal_total(minor: int, currency: str) -> tuple[Decimal, ...]:
    """A total as an amount; empty where none is known (a mapping without a total leaves 0)."""
    return (Decimal(minor).scaleb(-CURRENCIES.get(currency, 2)),) if minor else ()


@dataclass(frozen=True, slots=True)
class LookupFinding:
    """What one look-up says about one order: ``found`` (with its id), ``absent`` or ``unclear``.

    ``absent`` may be said only where every page was read with a steady total and the same method found a positive
    control in the same look-up; whether it counts is the ledger's business.
    """

    kind: str
    oms_id: str = ""

    @classmethod
    def found(cls, oms_id: str) -> LookupFinding:
        """The destination has it under this id."""
        return cls("found", oms_id)

    @classmethod
    def absent(cls) -> LookupFinding:
        """A complete look-up with a positive control did not show it."""
        return cls("absent")

    @classmethod
    def unclear(cls) -> LookupFinding:
        """Anything else."""
        return cls("unclear")


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The outcome of one look-up. ``method`` and ``why`` are ours and hold no order data.

    ``reason``: why an operator must be asked now, or empty.
    """

    id: int
    attempt: int
    finding: LookupFinding
    method: str
    why: str = ""
    next_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DueAcknowledgement:
    """An order to acknowledge: its number and id, exactly as the source gave them."""

    id: int
    order_number: str
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """What a person is to be told about a pipeline. No part carries customers' data: order numbers, counts, times.

    ``cause`` is the same text each time for the same cause, which makes it told once; ``kind`` is a short code for
    filters. ``size``: how many orders it is about; told again at once where it has doubled. ``after_s``: told only
    where the cause lasts so long. ``repeat_s``: told again so long after it was told, while it lasts.
    """

    kind: str
    cause: str
    subject: str
    lines: tuple[str, ...] = ()
    size: int = 1
    after_s: float = 0.0
    repeat_s: float = 86400.0

    @property
    def text(self) -> str:
        """Subject and lines."""
        return "\n".join([self.subject, *(f"  {line}" for line in self.lines)])


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it is delivered now. ``over``: its cause is gone, and this says so."""

    pipeline: str
    cause: str
    kind: str
    subject: str
    text: str
    size: int = 1
    over: bool = False


@dataclass(frozen=True, slots=True)
class OverdueOrders:
    """The orders that are in one state (or wait to be acknowledged) for longer than they should."""

    state: str
    number: int
    oldest: datetime
    orders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Signs of life of a pipeline. ``last_run`` are the facts that its newest finished run left."""

    bound_at: datetime
    read_at: datetime | None = None
    order_at: datetime | None = None
    resting: str = ""
    last_run: Mapping[str, Any] = field(default_factory=dict)
