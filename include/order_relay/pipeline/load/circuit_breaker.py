"""The circuit breaker: decides when the answers show that the whole destination fails and sending must stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from order_relay import COMMAND
from order_relay.errors import ConfigurationError, OrderRelayError, ThrottledError, TransientError
from order_relay.orders.messages import SendOutcome, SendResult
from order_relay.pipeline.settings.sections import LoadSettings

LEASE_EXPIRED = "lease_over"
"""``SendResult.code`` of an order that was not sent because its lease had expired; it says nothing about the
destination."""


class CircuitBreaker:
    """Records every answer of a chunk and decides when the chunk has to stop.

    It stops for a wrong configuration, a throttle longer than ``max_wait_s``, ``failures_in_a_row`` answers that show
    a failing OMS, and ``refused_at_first`` first answers that are all HTTP 400. ``refused``: the orders of such a
    start, to be put back once ``all_refused`` is set.
    """

    def __init__(self, settings: LoadSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._throttled_since: float | None = None
        self._failures = 0
        self._answers = 0
        self._only_400 = True
        self.refused: list[int] = []
        self.all_refused = False

    def remaining_wait_s(self) -> float:
        """Seconds of throttling that may still be waited out."""
        if self._throttled_since is None:
            return self._settings.max_wait_s
        return self._settings.max_wait_s - (self._clock() - self._throttled_since)

    def record(self, submission_id: int, answer: SendResult) -> OrderRelayError | None:
        """Record one answer. Returns the error with which the chunk must stop, or ``None`` to continue."""
        if answer.outcome is SendOutcome.CONFIGURATION_ERROR:
            return ConfigurationError(f"the destination refuses every order: {answer.message}")
        if 300 <= answer.status <= 399:  # the base URL is wrong, whatever this answer means for its own order
            return ConfigurationError(f"the destination redirects every order: {answer.message}")
        if answer.outcome is SendOutcome.THROTTLED:
            return self._record_throttle(answer)
        if answer.code != LEASE_EXPIRED:
            self._throttled_since = None
        return self._record_failure(answer) or self._record_refusal(submission_id, answer)

    def _record_throttle(self, answer: SendResult) -> OrderRelayError | None:
        if self._throttled_since is None:
            self._throttled_since = self._clock()
        if max(self.remaining_wait_s(), 0.0) > (answer.wait_s or 0.0):
            return None
        return ThrottledError(
            f"the destination throttles requests for longer than load.max_wait_s ({self._settings.max_wait_s:g} s)",
            answer.wait_s,
        )

    def _record_failure(self, answer: SendResult) -> OrderRelayError | None:
        if answer.code == LEASE_EXPIRED:
            return None
        if answer.status not in {0, 408} and answer.status < 500:
            self._failures = 0
            return None
        self._failures += 1
        if self._failures < self._settings.failures_in_a_row:
            return None
        return TransientError(f"the destination failed {self._failures} times in a row; last failure: {answer.message}")

    def _record_refusal(self, submission_id: int, answer: SendResult) -> OrderRelayError | None:
        """If the first answers of a run are all HTTP 400, the configuration is wrong and not the orders."""
        if answer.status == 0 or (not self._only_400 and not self.all_refused):
            return None
        if self.all_refused:  # answers to requests that were in flight at that moment
            if answer.status == 400 and answer.outcome is SendOutcome.REJECTED:
                self.refused.append(submission_id)
            return None
        return self._record_first_answer(submission_id, answer)

    def _record_first_answer(self, submission_id: int, answer: SendResult) -> OrderRelayError | None:
        self._answers += 1
        self._only_400 = answer.status == 400
        if not self._only_400:
            self.refused.clear()
            return None
        if answer.outcome is SendOutcome.REJECTED:
            self.refused.append(submission_id)
        if self._answers < self._settings.refused_at_first:
            return None
        self.all_refused = True
        return ConfigurationError(
            f"the first {self._answers} orders were all refused with HTTP 400, so the configuration is probably wrong: "
            "check the connection's account ids and the mapping. The orders were put back; show one with "
            f"'{COMMAND} order NUMBER --payload'"
        )
