"""Suspends a pipeline after a rejected login until its connection is edited, since sources lock accounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from order_relay.errors import SourceAuthError
from order_relay.ledger import Ledger
from order_relay.orders.messages import RunContext
from order_relay.pipeline.report.state_advice import LOGIN_REJECTED


@contextmanager
def guarded_login(ctx: RunContext, ledger: Ledger, connection_fingerprint: str) -> Iterator[None]:
    """Send requests to the source inside this block.

    Raises ``SourceAuthError`` before any request if the same connection was rejected before. Records a rejection inside
    the block. A changed connection resumes the pipeline.
    """
    refused = ledger.runs.suspended_for(ctx.pipeline)
    if refused is not None and refused == connection_fingerprint:
        raise SourceAuthError(f"{ctx.pipeline}: {LOGIN_REJECTED}")
    if refused is not None:
        ledger.runs.resume(ctx.pipeline)
    try:
        yield
    except SourceAuthError as error:
        ledger.runs.suspend(ctx.pipeline, connection_fingerprint, str(error))
        raise
