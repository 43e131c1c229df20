from __future__ import annotations

import re

import pytest

from order_relay import errors
from order_relay.errors import OrderRelayError, TransientError, redacted_trace


def test_the_docstring_lists_every_error() -> None:
    defined = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, OrderRelayError)
    }
    documentation = errors.__doc__ or ""
    assert set(re.findall(r"── (\w+)", documentation)) | {"OrderRelayError"} == defined
    raised = set(re.findall(r"``(\w+Error)``$", documentation, re.MULTILINE))
    assert raised == defined - {"OrderRelayError"}


def _parse(text: str) -> int:
    return int(text)


def _fail(*, chained: bool) -> None:
    try:
        _parse("Ann Miller")
    except ValueError as cause:
        raise TransientError("no number for Ann Miller") from (cause if chained else None)


def test_a_traceback_shows_types_and_lines_but_no_messages() -> None:
    with pytest.raises(TransientError) as caught:
        _fail(chained=True)
    trace = redacted_trace(caught.value)
    assert trace.startswith("TransientError at test_errors.py:")
    assert "caused by ValueError at test_errors.py:" in trace
    assert trace.endswith(" _parse")
    assert "Miller" not in trace
    assert redacted_trace(KeyError("Ann Miller")) == "KeyError at an unknown location"


def test_a_suppressed_cause_is_left_out() -> None:
    with pytest.raises(TransientError) as caught:
        _fail(chained=False)
    assert "ValueError" not in redacted_trace(caught.value)
