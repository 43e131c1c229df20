"""Validation of arguments (pipelines, runs, reason codes, order numbers), and the actions that commands carry out.

An argument that matches several orders is refused with a list, so no command acts on an order that was not meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from order_relay import COMMAND
from order_relay.airflow.installation import Installation
from order_relay.errors import ConfigurationError

if TYPE_CHECKING:
    from order_relay.ledger import Ledger
    from order_relay.ledger.schema.records import WorkItem
    from order_relay.wiring.actions import OperatorActions


@contextmanager
def open_actions() -> Iterator[tuple[Installation, Ledger, OperatorActions]]:
    """The installation, its open ledger, and the actions of operators on them."""
    from order_relay.airflow.desk.host import AirflowHost
    from order_relay.wiring.actions import OperatorActions

    installation = Installation()
    with installation.ledger() as ledger:
        yield installation, ledger, OperatorActions(ledger, installation, AirflowHost(installation, pages=False))


def find_order(ledger: Ledger, word: str, pipelines: Sequence[str] | None) -> WorkItem:
    """The order with this number or reference; raises ``ConfigurationError`` for none, and for several with a list."""
    found = ledger.order_references.named(word, pipelines)
    if not found:
        raise ConfigurationError(f"no order {word!r}; search all identifiers with: {COMMAND} order {word}")
    if len(found) > 1:
        raise _ambiguous(word, found)
    return found[0]


def resolve_number(ledger: Ledger, word: str, pipeline: str | None) -> str:
    """The full order number for a number or reference; an unknown word is returned unchanged.

    Raises ``ConfigurationError`` with a list if it matches orders with different numbers.
    """
    pipelines = None if pipeline is None else [pipeline]
    if ledger.order_references.has_number(word, pipelines):
        return word
    found = ledger.order_references.named(word, pipelines)
    if len({work.order_number for work in found}) > 1:
        raise _ambiguous(word, found)
    return found[0].order_number if found else word


def _ambiguous(word: str, found: Sequence[WorkItem]) -> ConfigurationError:
    which = "; ".join(f"{work.order_number} ({work.pipeline}, {work.state})" for work in found)
    return ConfigurationError(
        f"{word!r} matches {len(found)} orders: {which}. Give the full order number, the OMS id or --pipeline"
    )


def require_pipeline(installation: Installation, ledger: Ledger, name: str | None) -> None:
    """Raise ``ConfigurationError`` for a pipeline without a file and without rows in the ledger. ``None`` is valid."""
    if name is not None:
        _require("pipeline", name, {*installation.pipelines, *ledger.runs.pipelines()})


def require_run(ledger: Ledger, run: str, *also: str) -> None:
    """Raise ``ConfigurationError`` for a run id that the ledger does not know, in any of these spellings."""
    if not any(ledger.runs.exists(name) for name in (run, *also)):
        _require("run", run, ledger.runs.latest())


def require_code(code: str | None, in_ledger: Iterable[str]) -> None:
    """Raise ``ConfigurationError`` for a reason code unknown to both package and ledger. ``None`` is valid."""
    from order_relay.pipeline.report.advice import CODES, advice_for

    if code is not None and advice_for(code) is None and code not in (names := set(in_ledger)):
        _require("reason code", code, {*CODES, *names})


def _require(what: str, name: str, known: Iterable[str]) -> None:
    from order_relay.orders.suggestions import suggest

    names = set(known)
    if name not in names:
        raise ConfigurationError(f"unknown {what} {name!r}; {suggest(name, names)}")
