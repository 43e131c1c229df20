"""Status records and rows that could not be used: listed and alerted until they are closed.

Refusals of a file are closed once a file of the same name is read without any. If a name is reused for other content,
a later file proves nothing, and only an operator closes them. Refusals of an order are closed once its whole history
was read. All others are closed by an operator with a reason.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from order_relay.errors import IllegalTransitionError
from order_relay.ledger.schema.listed_rows import RefusedRecord, RefusedRecords
from order_relay.ledger.schema.status_tables import status_file, status_refusal
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text

MAX_ROWS = 1_000
ALL = "all"
READ_WELL = "the same file was read without errors"
READ_WHOLE = "the whole history of the order was read"

_row = status_refusal.c
_OPEN = _row.closed_at.is_(None)


class StatusRefusals(Repository):
    """Status records that could not be used."""

    @reads
    def recent(self, tx: Transaction, most: int = MAX_ROWS) -> list[RefusedRecord]:
        """Records that could not be used, newest first, including closed ones."""
        query = sa.select(status_refusal).order_by(sa.desc(_row.at)).limit(most)
        return tx.rows(RefusedRecord, query)

    @reads
    def since(self, tx: Transaction, account: str, since: datetime) -> list[RefusedRecords]:
        """Open refused records since a time, by origin (a channel or a file name), with their number and codes."""
        found: dict[str, RefusedRecords] = {}
        query = (
            sa.select(_row.origin, _row.code, sa.func.count().label("n"), sa.func.min(_row.place).label("place"))
            .where(_row.account == account, _row.at >= since, _OPEN)
            .group_by(_row.origin, _row.code)
            .order_by(_row.origin, _row.code)
            .limit(MAX_ROWS)
        )
        for each in tx.run(query):
            entry = found.setdefault(each.origin, {"origin": each.origin, "number": 0, "codes": []})
            entry["number"] += each.n
            entry["codes"].append((each.code, each.n, each.place))
        return list(found.values())

    @writes
    def close(self, tx: Transaction, origin: str, reason: str, who: str) -> int:
        """Close the refused records of a file or channel (``all``: of every origin); returns their number.

        Raises ``IllegalTransitionError`` if none is open.
        """
        which = _OPEN if origin == ALL else sa.and_(_OPEN, _row.origin == origin)
        done = _close(tx, which, clean_text(reason, 1_000), clean_text(who, 200))
        if not done:
            raise IllegalTransitionError(
                "there is no open refused record" + ("" if origin == ALL else f" from {origin!r}")
            )
        return done


def close_for_file(tx: Transaction, account: str, name: str) -> int:
    """Close the refusals of a file that was now read without any; returns their number.

    Does nothing if a file of this name was read without refusals before: the name is then reused for other content.
    """
    name = clean_text(name, 300)
    mine = sa.and_(_row.account == account, _row.origin == name, _OPEN)
    first = tx.run(sa.select(sa.func.min(_row.at, type_=_row.at.type)).where(mine)).scalar()
    if first is None:
        return 0
    reused = tx.run(
        sa.select(
            sa.exists().where(
                status_file.c.account == account,
                status_file.c.name == name,
                status_file.c.refused == 0,
                status_file.c.read_at < first,
            )
        )
    ).scalar()
    return 0 if reused else _close(tx, mine, READ_WELL, "")


def close_for_orders(tx: Transaction, account: str, numbers: Collection[str]) -> int:
    """Close the refusals of orders whose whole histories were read; returns their number."""
    places = sorted({clean_text(number, 300) for number in numbers})
    if not places:
        return 0
    return _close(tx, sa.and_(_row.account == account, among(_row.place, "places"), _OPEN), READ_WHOLE, "", places)


def _close(tx: Transaction, which: sa.ColumnElement[bool], why: str, who: str, places: Collection[str] = ()) -> int:
    values = {"closed_at": tx.now, "closed_by": who, "closed_why": why}
    done: int = tx.run(
        status_refusal.update().where(which).values(values), {"places": list(places)} if places else {}
    ).rowcount
    return done
