"""Orders in every state that needs an operator, with their archive, and the actions of operators on them."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from order_relay.batches import BatchStore
from order_relay.errors import ValidationIssue
from order_relay.ledger import AttemptResult, Ledger, migrate
from order_relay.orders.messages import SendOutcome, SendResult
from order_relay.wiring.actions import OperatorActions
from order_relay.wiring.pipeline import Wiring
from tests.support.archived_orders import CONNECTIONS, PIPELINE, Relay, plain_orders
from tests.support.desk import FixedHost, FixedParts

LEDGER = "ledger.sqlite"
BAD = [ValidationIssue("total_differs", "/total", "the totals do not add up")]


@dataclass
class StoppedOrders:
    """One order each: quarantined although it is clean now, quarantined and broken, rejected, held (a changed one), and
    in doubt. ``shown``: their revisions, by number."""

    ledger: Ledger
    store: BatchStore
    host: FixedHost = field(default_factory=FixedHost)
    numbers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the orders, unless the ledger has them already."""
        url = self.ledger.database.url.render_as_string(hide_password=False)
        wiring = Wiring.for_pipeline(PIPELINE, CONNECTIONS.__getitem__, url, self.store.url)
        self.parts = FixedParts(url, self.store, {PIPELINE: wiring.settings}, {PIPELINE: wiring})
        self.actions = OperatorActions(self.ledger, self.parts, self.host)
        orders = json.loads(json.dumps(plain_orders(5), default=str))
        orders[1]["total"] = "1.00"
        names = ("clean", "broken", "rejected", "held", "in_doubt")
        self.numbers = {name: order["order_number"] for name, order in zip(names, orders, strict=True)}
        if not self.ledger.worklist.get([1]):
            self._make(orders)

    def _make(self, orders: list[dict[str, Any]]) -> None:
        relay = Relay(self.ledger, self.store)
        clean, broken, *_ = relay.receive(*orders[:2])
        self.ledger.validation.quarantine(
            relay.ctx, [(work, BAD) for work in self.ledger.worklist.get([clean, broken])]
        )
        rejected, in_doubt = relay.make_ready(relay.receive(orders[2], orders[4]))
        claims = self.ledger.claims.claim(relay.ctx, [rejected, in_doubt], "test", -1.0)
        answers = {rejected: SendResult(SendOutcome.REJECTED, 400), in_doubt: SendResult(SendOutcome.IN_DOUBT, 504)}
        self.ledger.outcomes.record(
            relay.ctx, [AttemptResult(number, claims[number].attempt, answer) for number, answer in answers.items()]
        )
        relay.imported(orders[3])
        changed = json.loads(json.dumps(orders[3]))
        changed["items"][0]["quantity"] = 777
        relay.receive(changed)

    def id(self, name: str) -> int:
        """The id of the newest submission of an order."""
        return int(self.ledger.queries.find(self.numbers[name])[-1]["id"])

    def shown(self, *names: str) -> dict[int, int | None]:
        """These orders with the revisions that a page would show now."""
        works = self.ledger.worklist.get([self.id(name) for name in names])
        return {work.id: 1 if work.state == "in_doubt" else work.revision for work in works}

    def state(self, name: str) -> str:
        """The present state of an order."""
        return self.ledger.worklist.get([self.id(name)])[0].state


@cache
def _template() -> Path:
    """A folder with a ledger and a store that hold the orders; made once in each process."""
    folder = Path(tempfile.mkdtemp(prefix="stopped-orders-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = f"sqlite:///{folder / LEDGER}"
    migrate(url)
    ledger = Ledger.open(url)
    StoppedOrders(ledger, BatchStore((folder / "store").as_uri()))
    ledger.close()
    return folder


def copied(folder: Path) -> StoppedOrders:
    """The orders in a new folder, on SQLite; close its ledger at the end."""
    shutil.copytree(_template(), folder)
    return StoppedOrders(Ledger.open(f"sqlite:///{folder / LEDGER}"), BatchStore((folder / "store").as_uri()))
