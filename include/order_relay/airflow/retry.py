"""When Airflow tries a task again: read from our error groups, so that the errors alone decide.

Airflow asks the policy in the worker, with the exception at hand. It can end a task early and choose the delay; how
often a task is tried stays the task's own ``retries``.
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
"""A run every quarter of an hour takes the work up anyway: waiting longer inside a run only hides the trouble."""

_NOT_RETRYABLE = (ConfigurationError, IllegalTransitionError, RunFailedError)


def first_delay_s() -> float:
    """Seconds before the first retry, from the Variable ``order_relay_retry_delay_s``; 30 where it is unusable.

    Never raises: a policy that fails would hide the error that it was asked about.
    """
    try:
        delay = float(read_variable(DELAY_VARIABLE) or DEFAULT_DELAY_S)
    except Exception:
        log.warning("Variable %s can not be read as a number of seconds; %g is used", DELAY_VARIABLE, DEFAULT_DELAY_S)
        return DEFAULT_DELAY_S
    return min(max(delay, 0.0), MAX_DELAY_S) if math.isfinite(delay) else DEFAULT_DELAY_S


def backoff_s(first_s: float, try_number: int) -> float:
    """Seconds before try ``try_number + 1``: doubled with each try, capped at a quarter of an hour."""
    return backoff(first_s, try_number - 1, MAX_DELAY_S)


class RecoveryPolicy(RetryPolicy):
    """Wrong set-up and refused moves fail at once; throttling waits as long as it was told; the rest backs off.

    Errors of no group of ours back off too: the ledger makes every stage safe to repeat.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Decide about one failed try (called by Airflow in the worker)."""
        kind = type(exception).__name__
        if isinstance(exception, _NOT_RETRYABLE):
            return RetryDecision.fail(f"{kind}: trying again can not help, a person must mend it")
        delay_s = backoff_s(first_delay_s(), try_number)
        if isinstance(exception, ThrottledError) and exception.wait_s is not None:
            delay_s = min(max(exception.wait_s, delay_s), MAX_DELAY_S)
            return RetryDecision.retry(timedelta(seconds=delay_s), f"{kind}: waits {delay_s:g} s as it was told")
        group = "a passing trouble" if isinstance(exception, TransientError) else "not one of our error groups"
        return RetryDecision.retry(timedelta(seconds=delay_s), f"{kind}: {group}, next try in {delay_s:g} s")

    def serialize(self) -> dict[str, Any]:
        """Nothing to keep: the policy has no settings of its own."""
        return {"__type": "order_relay.RecoveryPolicy"}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> RecoveryPolicy:
        """Make the policy anew."""
        return cls()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecoveryPolicy)

    def __hash__(self) -> int:
        return hash(RecoveryPolicy)
