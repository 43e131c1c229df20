"""Order ids in feeds: the submission's id in this ledger, and a check value that only matches that order.

The check value is a keyed hash of the order's identity, with a key of this ledger. An id issued by another ledger, or
by this one before it was restored from a backup, therefore never matches another order with the same number. Versions
before revision 0012 issued the bare number, which proves nothing by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

import sqlalchemy as sa

from order_relay.ledger.schema.records import WorkItem
from order_relay.ledger.schema.shipment_tables import ledger_mark
from order_relay.ledger.store.database import Transaction
from order_relay.orders.fulfilment.feed_id import CHECK_LENGTH, FeedId

_NAME = "feed_ids"


def feed_key(tx: Transaction) -> str:
    """The key of this ledger; empty before the first id was issued."""
    return tx.run(sa.select(ledger_mark.c.value).where(ledger_mark.c.name == _NAME)).scalar() or ""


def create_feed_key(tx: Transaction) -> str:
    """The key of this ledger, created if it has none."""
    known = feed_key(tx)
    if not known:
        known = secrets.token_hex(16)
        tx.run(ledger_mark.insert(), {"name": _NAME, "value": known})
    return known


def feed_id(key: str, work: WorkItem) -> str:
    """The id of an order in the feeds of the ledger with this key. It never changes."""
    return f"{work.id}-{_check(key, work)}"


def matches(key: str, given: FeedId, work: WorkItem) -> bool:
    """Whether the ledger with this key issued this id for this order."""
    return bool(key and given.check) and given.number == work.id and hmac.compare_digest(given.check, _check(key, work))


def _check(key: str, work: WorkItem) -> str:
    identity = "\n".join((work.pipeline, work.source_id, str(work.edition)))
    return hmac.new(key.encode(), identity.encode(), hashlib.sha256).hexdigest()[:CHECK_LENGTH]
