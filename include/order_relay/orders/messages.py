"""Values that stages, vendors and the ledger exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from order_relay.errors import ValidationIssue
from order_relay.orders.identity.traits import NO_TRAITS, Traits

Warn = Callable[[str], None]
"""Takes a warning for operators. Equal texts are the same warning; it contains no data of an order."""


def ignore_warning(_warning: str) -> None:
    """Ignore a warning."""


class SourceListing:
    """Collects the ids that a source lists. Each must get a ledger row, whether or not the order can be read.

    ``excluded_ids`` belong to another web shop of the account and get none.
    """

    def __init__(self) -> None:
        self.ids: dict[str, None] = {}
        self.excluded_ids: set[str] = set()

    def add(self, source_ids: Iterable[str]) -> None:
        """Add listed ids."""
        self.ids.update(dict.fromkeys(source_ids))

    def exclude(self, source_id: str) -> None:
        """Exclude an order that was read and belongs to another web shop."""
        self.excluded_ids.add(source_id)

    @property
    def expected(self) -> list[str]:
        """The ids that must be in the ledger once the batch is received."""
        return [source_id for source_id in self.ids if source_id not in self.excluded_ids]


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """A file with orders, read whole. ``name``: for messages, without control characters."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Selection:
    """The orders that a run requests from a source.

    ``start`` and ``end`` (UTC, inclusive) are for sources that are queried by time; ``order_ids`` are read in addition.
    Without a start, only ``order_ids`` are read; without either, all orders that the source offers; without an end, all
    orders since the start.

    ``known``: orders that failed or waited before, so that another failure does not indicate a failure of the source.
    ``later``: orders that are not read this time, even if they are listed. ``listing`` collects the listed ids.
    ``history``: of a history import, which reads orders in states that other runs do not read. ``file``: the delivered
    file to read, for sources whose orders come in files.
    ``warn`` takes warnings about responses that do not concern a single order.
    """

    order_ids: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    history: bool = False
    file: DeliveredFile | None = field(default=None, compare=False, repr=False)
    known: frozenset[str] = field(default=frozenset(), compare=False)
    later: frozenset[str] = field(default=frozenset(), compare=False)
    listing: SourceListing | None = field(default=None, compare=False, repr=False)
    warn: Warn = field(default=ignore_warning, compare=False, repr=False)


DETAIL_UNREADABLE = "detail_unreadable"
"""Problem of a listed order whose content could not be read; only its id is known."""

DETAIL_MISSING = "detail_missing"
"""Problem of a listed or known order that the source reports as missing (HTTP 404)."""

UNREAD_PROBLEMS = frozenset({DETAIL_UNREADABLE, DETAIL_MISSING})
"""Problems of orders whose content could not be read this time. They are requested again, at growing intervals."""


@dataclass(frozen=True, slots=True)
class SourceOrder:
    """One order as offered by a source, parsed exactly (``Decimal`` for fractions).

    ``problem`` is a refusal code found while reading (such as ``lone_surrogate``), or empty. ``explanation`` describes
    it and is safe for logs. A malformed order has ``issues`` (the first is the problem) and its ``text`` as received;
    ``document`` then holds the readable members. ``where`` is its position in the response.
    """

    document: Any
    problem: str = ""
    explanation: str = ""
    issues: tuple[ValidationIssue, ...] = ()
    text: str = field(default="", repr=False)
    where: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The source's response to the acknowledgement of one order number.

    ``cancelled``: nothing was written, because the source has cancelled the order. ``passing``: not refused by the
    source, but not done either, for a reason that may be temporary.
    """

    accepted: bool
    message: str = ""
    cancelled: bool = False
    passing: bool = False


MAX_ATTEMPTS = 3
"""Attempts with the same kind of response and proven absence before an order is rejected (``load.max_attempts``)."""


class SendOutcome(StrEnum):
    """The meaning of a response to a POST for the order."""

    IMPORTED = "imported"
    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"
    NOT_SENT = "not_sent"  # provably not stored: back to ready
    THROTTLED = "throttled"  # back to ready; all senders slow down
    CONFIGURATION_ERROR = "wrong_setup"  # back to ready; the pipeline stops


@dataclass(frozen=True, slots=True)
class SendResult:
    """The destination's response to one POST, already classified.

    ``status`` is 0 if no HTTP status was received. ``body`` is the text of the response, bounded, for the archive.
    ``message`` is safe for logs: it never contains text of the response. ``remark`` is what a successful response
    contains besides the order id (an error text, a warning), bounded; it may hold customer data and is never logged.
    ``wait_s``: seconds to wait as requested by the destination.
    """

    outcome: SendOutcome
    status: int = 0
    oms_id: str = ""
    code: str = ""
    message: str = ""
    body: str = field(default="", repr=False)
    wait_s: float | None = None
    remark: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One row of a search at the destination. ``destination_key`` is empty if the row does not have it.

    ``traits``: other properties of the order, since an order with our external id may belong to another channel.
    """

    oms_id: str
    destination_key: str
    status: str = ""
    traits: Traits = NO_TRAITS


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search. ``complete`` only if every page was read and the total did not change meanwhile.

    ``where``: method and address of the request if there is a problem; without credentials and order data.
    """

    rows: tuple[SearchHit, ...]
    complete: bool
    problem: str = ""
    where: str = ""


@dataclass(frozen=True)
class RunContext:
    """The pipeline, run and actor that are recorded with every event."""

    pipeline: str
    run: str
    who: str = "run"


@dataclass(frozen=True)
class VersionPolicies:
    """The policies of a pipeline for versions of an order. ``min_common_items``: a share from 0 to 1."""

    resubmission: str = "review"  # review | import_as_new | ignore
    unknown_base: str = "review"  # review | import
    suffixed: str = "auto"  # auto | review
    min_common_items: float = 0.5


@dataclass(frozen=True)
class MappingOverrides:
    """The additions of a pipeline's file to the vendors' mapping files, in the format of those files."""

    source: Mapping[str, Any] = field(default_factory=dict)
    destination: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
