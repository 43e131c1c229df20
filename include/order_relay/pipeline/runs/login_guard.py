"""Rest after a refused login: no further request is made until the connection has changed (accounts get locked)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from order_relay.errors import SourceAuthError
from order_relay.ledger import Ledger
from order_relay.orders.messages import RunContext


@contextmanager
def guarded_login(ctx: RunContext, ledger: Ledger, connection_fingerprint: str) -> Iterator[None]:
    """Talk to the source inside this block.

    Raises ``SourceAuthError`` before any request where the same connection was refused before, and remembers it where
    it
    is refused now. A changed connection wakes the pipeline.
    """
    refused = ledger.runs.suspended_for(ctx.pipeline)
    if refused is not None and refused == connection_fingerprint:
        raise SourceAuthError(
            f"{ctx.pipeline} rests: the source refused this login before, and repeated failed logins lock the account; "
            "mend the source's connection (any changed field wakes the pipeline)"
        )
    if refused is not None:
        ledger.runs.resume(ctx.pipeline)
    try:
        yield
    except SourceAuthError as error:
        ledger.runs.suspend(ctx.pipeline, connection_fingerprint, str(error))
        raise
