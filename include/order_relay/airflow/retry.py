"""The retry policy of all tasks: an error's group (``order_relay.errors``) decides whether and when to retry.

Airflow evaluates the policy in the worker. It can fail a task early and set the delay; the number of retries is the
task's own ``retries``.
"""

from __future__ import annotations

import logging
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy

from order_relay.airflow.metadata.stored_values import read_variable
from order_relay.backoff import backoff
from order_relay.errors import (
    ConfigurationError,
    IllegalTransitionError,
    RunFailedError,
    ThrottledError,
    TransientError,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

DELAY_VARIABLE = "order_relay_retry_delay_s"
DEFAULT_DELAY_S = 30.0
MAX_DELAY_S = 15 * 60.0
"""The next run continues the work anyway; a longer wait within a run would only hide the problem."""

_NOT_RETRYABLE = (ConfigurationError, IllegalTransitionError, RunFailedError)


def first_delay_s() -> float:
    """Seconds before the first retry, from the Variable ``order_relay_retry_delay_s``; 30 if it is unusable.

    Never raises: an error here would hide the error that is to be retried.
    """
    try:
        delay = float(read_variable(DELAY_VARIABLE) or DEFAULT_DELAY_S)
    except Exception:
        log.warning(
            "Variable %s is not a number of seconds or cannot be read; using %g", DELAY_VARIABLE, DEFAULT_DELAY_S
        )
        return DEFAULT_DELAY_S
    return min(max(delay, 0.0), MAX_DELAY_S) if math.isfinite(delay) else DEFAULT_DELAY_S


def backoff_s(first_s: float, try_number: int) -> float:
    """Seconds before try ``try_number + 1``: doubled with each try, at most 15 minutes."""
    return backoff(first_s, try_number - 1, MAX_DELAY_S)


class RecoveryPolicy(RetryPolicy):
    """Configuration errors and illegal transitions fail immediately; throttling waits as requested; the rest backs off.

    Unknown errors back off as well: the ledger makes every stage safe to repeat.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide about one failed try. Called by Airflow in the worker."""
        kind = type(exception).__name__
        if isinstance(exception, _NOT_RETRYABLE):
            return RetryDecision.fail(f"{kind}: retrying cannot help, operator action required")
        delay_s = backoff_s(first_delay_s(), try_number)
        if isinstance(exception, ThrottledError) and exception.wait_s is not None:
            delay_s = min(max(exception.wait_s, delay_s), MAX_DELAY_S)
            return RetryDecision.retry(timedelta(seconds=delay_s), f"{kind}: waits {delay_s:g} s as requested")
        group = "temporary error" if isinstance(exception, TransientError) else "unexpected error"
        return RetryDecision.retry(timedelta(seconds=delay_s), f"{kind}: {group}, next try in {delay_s:g} s")

    def serialize(self) -> dict[str, Any]:
        """The policy has no settings."""
        return {"__type": "order_relay.RecoveryPolicy"}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> RecoveryPolicy:
        """A new policy."""
        return cls()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecoveryPolicy)

    def __hash__(self) -> int:
        return hash(RecoveryPolicy)
