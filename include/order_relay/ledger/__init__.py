"""The state of every order: tables, migrations, transitions and queries, on SQLite or PostgreSQL.

The layers above use ``Ledger`` only. The modules that enforce a rule describe it: one submission per lineage at the
destination, intent before request, acknowledgement from the ledger only.
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
