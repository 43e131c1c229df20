"""Orders that a source lists for an interval of the past and that the ledger has never seen.

For a source that is not queried by time but can list its past (``ports.PastReader``). Backfills receive such orders;
reconciliation only reports them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from order_relay.errors import OrderRelayError
from order_relay.iteration import batched
from order_relay.ledger import Ledger
from order_relay.orders.identity.source_identity import HASHED_ID_PREFIX, IdentityPaths, identify
from order_relay.orders.markdown import escape_markdown
from order_relay.orders.messages import Acknowledgement, Selection, SourceOrder
from order_relay.pipeline.ports import Source

ORDERS_PER_QUERY = 100
"""Orders looked up in the ledger at once, and kept in memory."""

MAX_LISTED = 500
"""Maximum order numbers in a comparison; further ones are counted."""

NOT_YET_READ = timedelta(hours=6)
"""Orders submitted this recently are left for the next comparison, since an ordinary run may not have read them."""


class UnseenOrders:
    """The orders of ``source`` that ``ledger`` has never seen, as a ``Source`` for ``extract``. Acknowledges nothing.

    So a backfill changes no order that is known, whatever the form in which the source lists it.
    """

    windowed = True

    def __init__(self, source: Source, ledger: Ledger, pipeline: str) -> None:
        self._source, self._ledger, self._pipeline = source, ledger, pipeline
        self.account = source.account
        self.format = source.format
        self.acknowledges = source.acknowledges

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """See ``Source.fetch``."""
        for order, _, seen in _compared(self._source, selection, self._ledger, self._pipeline):
            if not seen:
                yield order

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Sends nothing; no order is answered."""
        return {}

    def close(self) -> None:
        """See ``Source.close``."""
        self._source.close()


@dataclass
class SourceComparison:
    """What a source lists for [``since``, ``until``], compared with the ledger.

    ``listed``: orders listed; ``unseen``: those that the ledger has never seen, ``numbers`` the first of their order
    numbers (an id if there is no number); ``unidentified``: orders without a readable id, which cannot be compared.
    ``problem``: why the source could not be read to the end; empty if it was.
    """

    since: datetime
    until: datetime
    listed: int = 0
    unseen: int = 0
    unidentified: int = 0
    numbers: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """Flat counts, for XCom and programs."""
        return {
            "source_listed": self.listed,
            "source_unseen": self.unseen,
            "source_unidentified": self.unidentified,
            "source_unread": int(bool(self.problem)),
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "since": self.since.isoformat(), "until": self.until.isoformat()}

    @property
    def alarming(self) -> bool:
        """Whether an order was missed, or may have been."""
        return bool(self.unseen or self.problem)

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        verb = "has" if self.unidentified == 1 else "have"
        unread = f"; {self.unidentified} {verb} no readable id" if self.unidentified else ""
        found = f"{self.unseen} of {self.listed} orders at the source were never received{unread}."
        return (
            f"{found} The source's list could not be read to the end: {self.problem.rstrip('.')}."
            if self.problem
            else found
        )

    def as_markdown(self) -> str:
        """A section of the report: order numbers and counts; no personal data."""
        span = f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC"
        lines = ["## Orders at the source", "", f"Submitted {span}. {escape_markdown(self.verdict)}", ""]
        lines += [f"- {escape_markdown(number)}" for number in self.numbers]
        if self.unseen > len(self.numbers):
            lines.append(f"- and {self.unseen - len(self.numbers)} more")
        return "\n".join([*lines, ""])


def compare_source(source: Source, ledger: Ledger, pipeline: str, *, days: int, now: datetime) -> SourceComparison:
    """List the orders submitted within ``days`` before ``now`` (aware UTC) that the ledger has never seen.

    Nothing is received, acknowledged or changed. A failure of the source is the ``problem`` of the result. Raises the
    ledger's errors.
    """
    found = SourceComparison(now - timedelta(days=days), now - NOT_YET_READ)
    try:
        for order, identity, seen in _compared(source, Selection(start=found.since, end=found.until), ledger, pipeline):
            found.listed += 1
            if order.problem and identity["source_id"].startswith(HASHED_ID_PREFIX):
                found.unidentified += 1
            elif not seen:
                found.unseen += 1
                if len(found.numbers) < MAX_LISTED:
                    found.numbers.append(identity["order_number"] or identity["source_id"])
    except OrderRelayError as error:
        found.problem = str(error)
    return found


def _compared(
    source: Source, selection: Selection, ledger: Ledger, pipeline: str
) -> Iterator[tuple[SourceOrder, dict[str, Any], bool]]:
    """Each listed order, its identity, and whether the ledger knows its id or its order number."""
    paths = IdentityPaths.from_mapping(source.format.mapping.get("identity", {}), f"{source.format.name}: identity")
    for some in batched(_identified(source.fetch(selection), paths), ORDERS_PER_QUERY):
        ids = {identity["source_id"] for _, identity in some}
        numbers = {identity["order_number"] for _, identity in some} - {""}
        known = ledger.reconciliation.known(pipeline, ids, numbers)
        for order, identity in some:
            yield order, identity, identity["source_id"] in known.ids or identity["order_number"] in known.numbers


def _identified(orders: Iterable[SourceOrder], paths: IdentityPaths) -> Iterator[tuple[SourceOrder, dict[str, Any]]]:
    for order in orders:
        yield order, identify(order.document, paths, order.problem, order.text)
