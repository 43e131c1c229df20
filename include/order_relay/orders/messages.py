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


@dataclass(frozen=True)
class Selection:
    """The orders that a run requests from a source.

    ``start`` and ``end`` (UTC, both included) are for sources that are asked by time; ``order_ids`` are read besides.
    Without a start ``order_ids`` are all that is read; without either, everything that the source offers; without an
    end, everything since the start.

    ``known``: orders that failed or waited before, so that a further failure says nothing about the source as a whole.
    ``later``: orders that are not read now even where they are listed. ``listing`` takes the ids that are listed.
    ``warn`` takes what was odd about the source's answers and concerns no single order.
    """

    order_ids: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    known: frozenset[str] = field(default=frozenset(), compare=False)
    later: frozenset[str] = field(default=frozenset(), compare=False)
    listing: SourceListing | None = field(default=None, compare=False, repr=False)
    warn: Warn = field(default=ignore_warning, compare=False, repr=False)


DETAIL_UNREADABLE = "detail_unreadable"
"""Problem of an order that is listed and whose content could not be read: nothing is known of it but its id."""

DETAIL_MISSING = "detail_missing"
"""Problem of an order that is listed or known here, and that its source says it does not have (HTTP 404)."""

UNREAD_PROBLEMS = frozenset({DETAIL_UNREADABLE, DETAIL_MISSING})
"""Problems of orders whose content is not known this time. They are asked for again, with growing distance."""


@dataclass(frozen=True, slots=True)
class SourceOrder:
    """One order as a source offered it: parsed exactly (``Decimal`` for fractions). ``problem`` is a refusal code
    found while reading (such as ``lone_surrogate``), or empty. ``explanation`` is our own text about it, safe for logs.

    An order whose text cannot be used as it is has ``issues`` (the first of them is the problem) and its ``text`` as
    it came; ``document`` then holds the members that are clear, enough to name it. ``where`` is its place in the
    answer."""

    document: Any
    problem: str = ""
    explanation: str = ""
    issues: tuple[ValidationIssue, ...] = ()
    text: str = field(default="", repr=False)
    where: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the source said to the acknowledgement of one order number.

    ``cancelled``: nothing was written, because the source has cancelled the order. ``passing``: not refused by the
    source, but not done either, for a reason that may pass.
    """

    accepted: bool
    message: str = ""
    cancelled: bool = False
    passing: bool = False


MAX_ATTEMPTS = 3
"""Attempts with the same kind of answer and a proven absence that end in a rejection (``load.max_attempts``)."""


class SendOutcome(StrEnum):
    """What an answer to a POST means for the order (the outcome table in ledger.md, "Sending")."""

    IMPORTED = "imported"
    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"
    NOT_SENT = "not_sent"  # provably not stored: back to ready
    THROTTLED = "throttled"  # back to ready, and everybody slows down
    CONFIGURATION_ERROR = "wrong_setup"  # back to ready, and the pipeline stops


@dataclass(frozen=True, slots=True)
class SendResult:
    """The destination's answer to one POST, already classified.

    ``status`` is 0 where no HTTP status was received. ``body`` is the answer's text, bounded, for the archive.
    ``message`` is safe for logs: codes and our own words, never text of the answer. ``remark`` is what a success said
    besides the order id (an error text, a warning), bounded: it may hold customers' data and stays out of logs.
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
    """One row of a search at the destination. ``destination_key`` is empty where the row does not carry it.

    ``traits``: what else it shows. An order under our external id may be somebody else's.
    """

    oms_id: str
    destination_key: str
    status: str = ""
    traits: Traits = NO_TRAITS


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The whole result of a search. ``complete`` only if every page was read and the total stayed the same.

    ``where``: what was asked (method and address), where there is a problem; no credentials, no order's data.
    """

    rows: tuple[SearchHit, ...]
    complete: bool
    problem: str = ""
    where: str = ""


@dataclass(frozen=True)
class RunContext:
    """Who acts; recorded on every event."""

    pipeline: str
    run: str
    who: str = "run"


@dataclass(frozen=True)
class VersionPolicies:
    """The business policies of a pipeline that decide about versions."""

    resubmission: str = "review"  # review | import_as_new | ignore
    unknown_base: str = "review"  # review | import
    suffixed: str = "auto"  # auto | review
    min_common_items: float = 0.5


@dataclass(frozen=True)
class MappingOverrides:
    """What a pipeline's config adds to the vendors' own mapping files (same shape as those files)."""

    source: Mapping[str, Any] = field(default_factory=dict)
    destination: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
