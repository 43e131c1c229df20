"""Gaps of the order feed: orders that it leaves out because they can not be rendered.

A gap is open until the order can be rendered. People are told of open gaps once, not at every poll. Its end is a
modification of the order: a reader that asks by windows would not come back for it otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from order_relay.ledger.columns import among
from order_relay.ledger.database import Transaction
from order_relay.ledger.modified import Modified, modified
from order_relay.ledger.shipment_tables import feed_gap
from order_relay.ledger.tables import submission
from order_relay.ledger.texts import clean

_OPEN = feed_gap.c.mended_at.is_(None)


def is_news(tx: Transaction, problems: Mapping[int, str]) -> bool:
    """Whether ``note`` would change anything."""
    known = _known(tx, problems)
    return any(known.get(number, "") != problem for number, problem in _cleaned(problems).items())


def note(tx: Transaction, problems: Mapping[int, str]) -> list[int]:
    """Note why orders had to be left out, with an empty text for those that could be rendered. The new ones' ids."""
    known, told = _known(tx, problems), _cleaned(problems)
    new = [number for number, problem in told.items() if problem and number not in known]
    tx.many(
        feed_gap.insert(), [{"submission_id": number, "problem": told[number], "noted_at": tx.now} for number in new]
    )
    for number, before in known.items():
        if told[number] != before:
            values = {"problem": told[number]} if told[number] else {"mended_at": tx.now}
            tx.run(feed_gap.update().where(feed_gap.c.submission_id == number, _OPEN).values(values))
    return new


def left_out(tx: Transaction, pipelines: Collection[str] | None, limit: int) -> list[Modified]:
    """Orders that are left out now; of more than ``limit`` any ones, so that each gets its turn to be tried again."""
    query = (
        sa.select(submission, feed_gap.c.noted_at.label("modified"))
        .join(feed_gap, feed_gap.c.submission_id == submission.c.id)
        .where(_OPEN)
        .order_by(sa.func.random())
        .limit(limit)
    )
    if pipelines is not None:
        query = query.where(submission.c.pipeline.in_(sorted(pipelines)))
    return [modified(row) for row in tx.run(query)]


def _known(tx: Transaction, problems: Mapping[int, str]) -> dict[int, str]:
    query = sa.select(feed_gap.c.submission_id, feed_gap.c.problem).where(among(feed_gap.c.submission_id, "ids"), _OPEN)
    return {row.submission_id: row.problem for row in tx.run(query, {"ids": list(problems)})}


def _cleaned(problems: Mapping[int, str]) -> dict[int, str]:
    return {number: clean(problem) for number, problem in problems.items()}
