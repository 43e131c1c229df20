from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import RetryAction

from order_relay import errors
from order_relay.airflow.retry import MAX_DELAY_S, RecoveryPolicy, backoff_s

VARIABLE = "AIRFLOW_VAR_ORDER_RELAY_RETRY_DELAY_S"


def decide(error: BaseException, try_number: int = 1) -> Any:
    return RecoveryPolicy().evaluate(error, try_number, 4)


@pytest.mark.parametrize(
    "error",
    [errors.ConfigurationError("w"), errors.SourceAuthError("s"), errors.IllegalTransitionError("m")],
    ids=lambda error: type(error).__name__,
)
def test_errors_that_need_an_operator_fail_without_retry(error: Exception) -> None:
    assert decide(error).action is RetryAction.FAIL


@pytest.mark.parametrize(
    "error",
    [
        errors.TransientError("r"),
        errors.MalformedResponseError("b"),
        errors.ConcurrentUpdateError("s"),
        OSError("disk"),
        ValueError("v"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_everything_else_backs_off_from_thirty_seconds(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    delays = [decide(error, n).retry_delay for n in (1, 2, 3)]
    assert delays == [timedelta(seconds=s) for s in (30, 60, 120)]


def test_the_variable_is_read_when_a_retry_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "2")
    assert decide(errors.TransientError("r")).retry_delay == timedelta(seconds=2)
    monkeypatch.setenv(VARIABLE, "7.5")
    assert decide(errors.TransientError("r"), 2).retry_delay == timedelta(seconds=15)


@pytest.mark.parametrize("value", ["soon", "nan", "inf", ""])
def test_an_unusable_variable_does_not_hide_the_error(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert decide(errors.TransientError("r")).retry_delay == timedelta(seconds=30)


def test_a_negative_delay_is_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "-5")
    assert decide(errors.TransientError("r")).retry_delay == timedelta(0)


@pytest.mark.parametrize(
    ("wait_s", "expected"), [(None, 30), (5.0, 30), (77.0, 77), (10_000.0, MAX_DELAY_S), (-3.0, 30)]
)
def test_throttling_waits_as_requested_within_bounds(
    wait_s: float | None, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert decide(errors.ThrottledError("t", wait_s)).retry_delay == timedelta(seconds=expected)


def test_the_delay_never_passes_its_cap() -> None:
    assert backoff_s(30, 1_000) == MAX_DELAY_S


def test_reasons_carry_no_text_of_the_error() -> None:
    for error in (
        errors.ConfigurationError("secret"),
        errors.TransientError("secret"),
        errors.ThrottledError("secret", 1),
    ):
        assert "secret" not in (decide(error).reason or "")


def test_the_policy_survives_serialisation() -> None:
    assert RecoveryPolicy.deserialize(RecoveryPolicy().serialize()) == RecoveryPolicy()
