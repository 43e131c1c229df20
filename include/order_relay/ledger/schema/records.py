"""Records that the ledger takes and returns: plain values without behaviour."""

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
    """When an unreadable order is requested again, in seconds.

    ``ask_again_s`` is the first delay, doubled each time. An order that its source reports as missing for
    ``gone_after_s`` counts as withdrawn.
    """

    ask_again_s: float = 900.0
    gone_after_s: float = 86_400.0


SILENT, REPORTED = "silent", "reported"
"""``HistoryMark.source``: nothing is reported to the source about these orders, or the same as about any other."""


@dataclass(frozen=True, slots=True)
class HistoryMark:
    """What a history import notes of the orders that it reads: its ``number`` in the ledger, and what is reported to
    the ``source`` about them."""

    number: int
    source: str = SILENT


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """One closed batch.

    ``complete``: all orders that the source has not seen acknowledged, so that an absent order was acknowledged.
    ``read_to`` (UTC): the watermark up to which the source was read without a gap. ``from_past``: read for an interval
    of the past, of which a new ledger knows nothing. ``unread``: why orders could not be read, by source id;
    ``unread_rules``: when they are requested again. ``windowed``: as ``Source.windowed``, so that a returned order says
    nothing about its acknowledgement. ``history``: of the history import that read it.
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
    windowed: bool = False
    history: HistoryMark | None = None

    @property
    def history_source(self) -> str:
        """The column ``submission.history`` of its orders; empty for an ordinary run."""
        return "" if self.history is None else self.history.source

    @property
    def history_number(self) -> int | None:
        """The history import that read it, if any."""
        return None if self.history is None else self.history.number


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A submission to validate, and the place of its raw order in the archive.

    ``corrections``: corrected values by field that apply to its content (personal data); ``None`` for a value that
    retention removed. ``history``: not empty if a history import read its content.
    """

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
    history: str = ""
    corrections: Mapping[str, str | None] = field(default_factory=dict, repr=False, hash=False)


@dataclass(frozen=True, slots=True)
class ReadyPayload:
    """A valid payload of a submission.

    ``revision`` is the revision whose content was used. ``submitted_at`` is when the customer submitted the order, if
    known; lookups by date window need it. ``sent_as`` is the order status in the payload.
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
    """A ready submission, its payload, and the number of earlier attempts."""

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
    """The committed intent to send. No request may start after ``send_before`` (the database's clock, UTC).

    ``resent``: an earlier attempt may have stored the order (idempotent destinations).
    """

    id: int
    attempt: int
    revision: int
    send_before: datetime
    resent: bool = False


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of one attempt. ``resent``: see ``Claim``."""

    id: int
    attempt: int
    answer: SendResult
    resent: bool = False


@dataclass(frozen=True, slots=True)
class InDoubtOrder:
    """A submission in doubt, with the data that a lookup needs."""

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
    """An order that is known to be at the destination: a working search must find it."""

    key: str
    oms_id: str
    imported_at: datetime
    submitted_at: datetime | None = None
    total_minor: int = 0
    currency: str = ""

    @property
    def totals(self) -> tuple[Decimal, ...]:
        """See ``decimal_total``."""
        return decimal_total(self.total_minor, self.currency)


def decimal_total(minor: int, currency: str) -> tuple[Decimal, ...]:
    """A total as an amount; empty if unknown (a mapping without a total leaves 0)."""
    return (Decimal(minor).scaleb(-CURRENCIES.get(currency, 2)),) if minor else ()


@dataclass(frozen=True, slots=True)
class LookupFinding:
    """The finding of a lookup about an order: ``found`` (with its id), ``absent`` or ``unclear``.

    ``absent`` requires that every page was read with a constant total and that the same method found a positive control
    in the same lookup. Whether the absence counts is decided by the ledger.
    """

    kind: str
    oms_id: str = ""

    @classmethod
    def found(cls, oms_id: str) -> LookupFinding:
        """The destination has it under this id."""
        return cls("found", oms_id)

    @classmethod
    def absent(cls) -> LookupFinding:
        """A complete lookup with a positive control did not show it."""
        return cls("absent")

    @classmethod
    def unclear(cls) -> LookupFinding:
        """Anything else."""
        return cls("unclear")


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The outcome of one lookup. ``method`` and ``why`` contain no order data.

    ``reason``: why an operator must decide, or empty.
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
    """An order to acknowledge, with its number and id exactly as the source sent them."""

    id: int
    order_number: str
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert about a pipeline. It contains no customer data: only order numbers, counts and times.

    ``cause`` identifies the condition, so that it is sent once; ``kind`` is a short code for filters. ``size`` is the
    number of orders concerned; the alert is repeated immediately when it has doubled. The alert is sent once the
    condition has lasted ``after_s`` seconds, and repeated every ``repeat_s`` seconds while it lasts.
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
    """An alert to deliver. ``over``: its condition has ended, and this is the recovery notice."""

    pipeline: str
    cause: str
    kind: str
    subject: str
    text: str
    size: int = 1
    over: bool = False


@dataclass(frozen=True, slots=True)
class OverdueOrders:
    """Orders that are in one state, or wait for their acknowledgement, longer than they should."""

    state: str
    number: int
    oldest: datetime
    orders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The latest activity of a pipeline. ``last_run`` are the facts of its newest finished run."""

    bound_at: datetime
    read_at: datetime | None = None
    order_at: datetime | None = None
    resting: str = ""
    last_run: Mapping[str, Any] = field(default_factory=dict)
