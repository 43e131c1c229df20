"""The state of every order: tables, migrations, moves, queries; on SQLite or PostgreSQL.

``Ledger`` is all that the floors above use. Its rules (one submission per lineage at the destination, intent before
request, acknowledgement from the ledger only) stand in the modules that carry them out.
"""

from order_relay.ledger.book import Ledger
from order_relay.ledger.contents import Outdated
from order_relay.ledger.gating import Wait
from order_relay.ledger.migrating import migrate
from order_relay.ledger.shipping import Recorded
from order_relay.ledger.values import (
    BatchInfo,
    Claim,
    Control,
    Doubt,
    Due,
    Finding,
    Late,
    Message,
    Note,
    Pulse,
    Ready,
    Sendable,
    Settled,
    Work,
)

__all__ = [
    "BatchInfo",
    "Claim",
    "Control",
    "Doubt",
    "Due",
    "Finding",
    "Late",
    "Ledger",
    "Message",
    "Note",
    "Outdated",
    "Pulse",
    "Ready",
    "Recorded",
    "Sendable",
    "Settled",
    "Wait",
    "Work",
    "migrate",
]
