"""The ids under which feeds give out orders: a ledger's own number of an order, and a check that only fits that order.

The check is made of the order's identity with a key of this ledger. So an id that another ledger gave out, or this one
before it was restored from a backup, never fits another order that happens to have the same number here. Programs
before revision 0012 gave out the bare number, which proves nothing by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from order_relay.ledger.schema.records import WorkItem
from order_relay.ledger.schema.shipment_tables import ledger_mark
from order_relay.ledger.store.database import Transaction

_NAME = "feed_ids"
_CHECK = 12  # hexadecimal digits
_OWN = re.compile(rf"(?P<number>[0-9]{{1,18}})-(?P<check>[0-9a-f]{{{_CHECK}}})", re.ASCII)
_BARE = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FeedId:
    """An id that a feed may have given out. ``check`` is empty where an older program gave out the bare number."""

    number: int
    check: str = ""


def feed_key(tx: Transaction) -> str:
    """The key of this ledger; empty before the first id was given out."""
    return tx.run(sa.select(ledger_mark.c.value).where(ledger_mark.c.name == _NAME)).scalar() or ""


def create_feed_key(tx: Transaction) -> str:
    """The key of this ledger, made where it has none."""
    known = feed_key(tx)
    if not known:
        known = secrets.token_hex(16)
        tx.run(ledger_mark.insert(), {"name": _NAME, "value": known})
    return known


def feed_id(key: str, work: WorkItem) -> str:
    """The id of an order in the feeds of the ledger with this key. It stays the same for the life of the order."""
    return f"{work.id}-{_check(key, work)}"


def parse_feed_id(text: str) -> FeedId | None:
    """The parts of an id; ``None`` for a text that no feed of ours ever gave out."""
    found = _OWN.fullmatch(text.strip().lower())
    if found:
        return FeedId(int(found["number"]), found["check"])
    return FeedId(int(text)) if _BARE.fullmatch(text.strip()) else None


def matches(key: str, given: FeedId, work: WorkItem) -> bool:
    """Whether the ledger with this key gave out this id for this order."""
    return bool(key and given.check) and given.number == work.id and hmac.compare_digest(given.check, _check(key, work))


def _check(key: str, work: WorkItem) -> str:
    identity = "\n".join((work.pipeline, work.source_id, str(work.edition)))
    return hmac.new(key.encode(), identity.encode(), hashlib.sha256).hexdigest()[:_CHECK]
