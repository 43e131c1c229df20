"""How many orders may be in flight, and what the answers so far say about the destination as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from order_relay.errors import ConfigurationError, OrderRelayError, ThrottledError, TransientError
from order_relay.orders.messages import SendOutcome, SendResult

LEASE_EXPIRED = "lease_over"
"""``Answer.code`` of an order that was not sent because its lease was over: says nothing about the destination."""


@dataclass(frozen=True, slots=True)
class SendingLimits:
    """See ``LoadOptions``; ``connections`` is this session's number."""

    connections: int
    max_wait_s: float = 120.0
    failures_in_a_row: int = 5
    refused_at_first: int = 20


class CircuitBreaker:
    """Reads every answer and says when the chunk has to stop."""

    def __init__(self, limits: SendingLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._throttled_since: float | None = None
        self._failures = 0
        self._answers = 0
        self._only_400 = True
        self.refused: list[int] = []
        self.all_refused = False

    def remaining_wait_s(self) -> float:
        """How many seconds of throttling may still be waited out."""
        if self._throttled_since is None:
            return self._limits.max_wait_s
        return self._limits.max_wait_s - (self._clock() - self._throttled_since)

    def read(self, submission_id: int, answer: SendResult) -> OrderRelayError | None:
        """Take in one answer. Returns the error with which the chunk must stop, if it must."""
        if answer.outcome is SendOutcome.CONFIGURATION_ERROR:
            return ConfigurationError(f"the destination refuses every order: {answer.message}")
        if 300 <= answer.status <= 399:  # whatever it means for this order: nobody was meant to be sent elsewhere
            return ConfigurationError(f"the destination sends every order elsewhere: {answer.message}")
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
        return ThrottledError("the destination asks to slow down for longer than is waited out here", answer.wait_s)

    def _record_failure(self, answer: SendResult) -> OrderRelayError | None:
        if answer.code == LEASE_EXPIRED:
            return None
        if answer.status not in {0, 408} and answer.status < 500:
            self._failures = 0
            return None
        self._failures += 1
        if self._failures < self._limits.failures_in_a_row:
            return None
        return TransientError(
            f"the destination failed {self._failures} times in a row; the last time: {answer.message}"
        )

    def _record_refusal(self, submission_id: int, answer: SendResult) -> OrderRelayError | None:
        """The first answers of a run all 400: then it is not the orders that are wrong."""
        if answer.status == 0 or (not self._only_400 and not self.all_refused):
            return None
        if self.all_refused:  # those that were in flight when it was found out
            if answer.status == 400 and answer.outcome is SendOutcome.REJECTED:
                self.refused.append(submission_id)
            return None
        return self._record_early(submission_id, answer)

    def _record_early(self, submission_id: int, answer: SendResult) -> OrderRelayError | None:
        self._answers += 1
        self._only_400 = answer.status == 400
        if not self._only_400:
            self.refused.clear()
            return None
        if answer.outcome is SendOutcome.REJECTED:
            self.refused.append(submission_id)
        if self._answers < self._limits.refused_at_first:
            return None
        self.all_refused = True
        return ConfigurationError(
            f"the first {self._answers} orders were all refused with HTTP 400: the set-up must be wrong (manufacturer "
            "id, catalogue id, mapping); they are put back, see one of them with 'order NUMBER --payload'"
        )
