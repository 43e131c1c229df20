"""Saved views of the list of orders: a name for a filter, per user, optionally shown to all users."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from order_relay.errors import ConfigurationError
from order_relay.ledger.schema.operator_tables import VIEW_IS_SHARED, saved_view
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, inserts, reads, writes

MAX_VIEWS = 50
"""Maximum saved views of one user, and of others' views shown to a user."""

MAX_NAME, MAX_QUERY = 60, 2_000  # characters


class SavedView(TypedDict):
    """A saved view; ``query`` is the query string of the list's URL."""

    id: int
    who: str
    name: str
    query: str
    shared: bool
    saved_at: datetime


class SavedViews(Repository):
    """The views of each user. Only their owner changes or deletes them."""

    @reads
    def visible_to(self, tx: Transaction, who: str) -> list[SavedView]:
        """The user's own views by name, then those that others share."""
        own = sa.select(saved_view).where(saved_view.c.who == who).order_by(saved_view.c.name)
        others = sa.select(saved_view).where(VIEW_IS_SHARED, saved_view.c.who != who).order_by(saved_view.c.name)
        return [*tx.rows(SavedView, own), *tx.rows(SavedView, others.limit(MAX_VIEWS))]

    @inserts
    def save(self, tx: Transaction, who: str, name: str, query: str, *, shared: bool = False) -> None:
        """Save a view, replacing the user's view of that name.

        Raises ``ConfigurationError`` for an unusable name and above ``MAX_VIEWS``.
        """
        name = _checked(name)
        if len(query) > MAX_QUERY:
            raise ConfigurationError(f"the filter is too long to be saved (maximum {MAX_QUERY} characters)")
        values = {"query": query, "shared": shared, "saved_at": tx.now}
        mine = saved_view.c.who == who
        if tx.run(saved_view.update().where(mine, saved_view.c.name == name).values(values)).rowcount:
            return
        number = tx.run(sa.select(sa.func.count()).select_from(saved_view).where(mine)).scalar_one()
        if number >= MAX_VIEWS:
            raise ConfigurationError(f"you have {number} saved views, the maximum; delete one first")
        tx.run(saved_view.insert(), {"who": who, "name": name, **values})

    @writes
    def rename(self, tx: Transaction, who: str, id: int, name: str) -> bool:
        """Rename one of the user's views; returns whether it exists. Raises ``ConfigurationError`` for an unusable name
        or the name of another view."""
        name = _checked(name)
        own = sa.and_(saved_view.c.id == id, saved_view.c.who == who)
        try:
            return tx.run(saved_view.update().where(own).values(name=name)).rowcount > 0
        except IntegrityError:
            raise ConfigurationError(f"you already have a view named {name!r}") from None

    @writes
    def delete(self, tx: Transaction, who: str, id: int) -> bool:
        """Delete one of the user's views; returns whether it existed."""
        return tx.run(saved_view.delete().where(saved_view.c.id == id, saved_view.c.who == who)).rowcount > 0


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise ConfigurationError(f"the name of a view must have 1 to {MAX_NAME} printable characters")
    return name
