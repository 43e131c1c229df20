"""From an operator's word to the one order that it names: by its number, or by the shop's reference alone.

A word that names several orders is refused with a list: no command acts on an order that was not meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from order_relay.errors import ConfigurationError

if TYPE_CHECKING:
    from order_relay.ledger import Ledger
    from order_relay.ledger.schema.records import WorkItem


def find_order(ledger: Ledger, word: str, pipelines: Sequence[str] | None) -> WorkItem:
    """The one order that a word names. Raises ``ConfigurationError``: with a list where it is more than one, or for
    none.
    """
    found = ledger.named(word, pipelines)
    if not found:
        raise ConfigurationError(f"no order {word!r}; check the number with: order {word}")
    if len(found) > 1:
        raise _ambiguous(word, found)
    return found[0]


def resolve_number(ledger: Ledger, word: str, pipeline: str | None) -> str:
    """The whole order number that a word names: the word itself where it is one or names nothing.

    Raises ``ConfigurationError`` with a list where it names orders of different numbers.
    """
    pipelines = None if pipeline is None else [pipeline]
    if ledger.has_number(word, pipelines):
        return word
    found = ledger.named(word, pipelines)
    if len({work.order_number for work in found}) > 1:
        raise _ambiguous(word, found)
    return found[0].order_number if found else word


def _ambiguous(word: str, found: Sequence[WorkItem]) -> ConfigurationError:
    which = "; ".join(f"{work.order_number} ({work.pipeline}, {work.state})" for work in found)
    return ConfigurationError(
        f"{len(found)} orders have the number {word!r}: {which}. Give the whole number, the OMS id or --pipeline"
    )
