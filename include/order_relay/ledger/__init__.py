"""The state of every order: tables, migrations, moves, queries; on SQLite or PostgreSQL.

``Ledger`` is all that the floors above use. Its rules (one submission per lineage at the destination, intent before
request, acknowledgement from the ledger only) stand in the modules that carry them out.
"""

from order_relay.ledger.fulfilment.shipments import ShipmentResult
from order_relay.ledger.ledger import Ledger
from order_relay.ledger.schema.records import (
    Alert,
    AttemptResult,
    BatchInfo,
    Claim,
    Delivery,
    DueAcknowledgement,
    Heartbeat,
    InDoubtOrder,
    LookupFinding,
    OverdueOrders,
    PositiveControl,
    ReadyPayload,
    Sendable,
    WorkItem,
)
from order_relay.ledger.store.migrate import migrate
from order_relay.ledger.submissions.fingerprints import OutdatedFingerprint
from order_relay.ledger.submissions.source_holds import SourceHold

__all__ = [
    "Alert",
    "AttemptResult",
    "BatchInfo",
    "Claim",
    "Delivery",
    "DueAcknowledgement",
    "Heartbeat",
    "InDoubtOrder",
    "Ledger",
    "LookupFinding",
    "OutdatedFingerprint",
    "OverdueOrders",
    "PositiveControl",
    "ReadyPayload",
    "Sendable",
    "ShipmentResult",
    "SourceHold",
    "WorkItem",
    "migrate",
]
