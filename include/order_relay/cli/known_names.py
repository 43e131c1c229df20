"""Refusing names that do not exist: pipelines, runs and codes, with what the reader may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from order_relay.errors import ConfigurationError

if TYPE_CHECKING:
    from order_relay.cli.deployment import Installation
    from order_relay.ledger import Ledger


def require_pipeline(setup: Installation, ledger: Ledger, name: str | None) -> None:
    """Raise ``ConfigurationError`` for a pipeline that has neither a file nor a past in the ledger. ``None`` means
    all.
    """
    if name is not None:
        _require("pipeline", name, {*setup.pipelines, *ledger.pipelines()})


def require_run(ledger: Ledger, run: str, *also: str) -> None:
    """Raise ``ConfigurationError`` for a run that the ledger never saw, under any of these spellings."""
    if not any(ledger.has_run(name) for name in (run, *also)):
        _require("run", run, ledger.latest_runs())


def require_code(code: str | None, present: Iterable[str]) -> None:
    """Raise ``ConfigurationError`` for a reason code that neither the package nor the ledger knows. ``None`` means
    all.
    """
    from order_relay.pipeline.report.advice import CODES, advice_for

    if code is not None and advice_for(code) is None and code not in (names := set(present)):
        _require("reason code", code, {*CODES, *names})


def _require(what: str, name: str, known: Iterable[str]) -> None:
    from order_relay.orders.suggestions import suggest

    names = set(known)
    if name not in names:
        raise ConfigurationError(f"unknown {what} {name!r}; {suggest(name, names)}")
