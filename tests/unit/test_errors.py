from __future__ import annotations

import pytest

from order_relay.errors import TransientError, redacted_trace


def _choke(text: str) -> int:
    return int(text)


def _fails(*, told: bool) -> None:
    try:
        _choke("Ann Miller")
    except ValueError as cause:
        raise TransientError("no number for Ann Miller") from (cause if told else None)


def test_a_traceback_shows_types_and_lines_but_no_messages() -> None:
    with pytest.raises(TransientError) as caught:
        _fails(told=True)
    told = redacted_trace(caught.value)
    assert told.startswith("TransientError at test_errors.py:")
    assert "caused by ValueError at test_errors.py:" in told
    assert told.endswith(" _choke")
    assert "Miller" not in told
    assert redacted_trace(KeyError("Ann Miller")) == "KeyError at an unknown place"


def test_a_suppressed_cause_is_left_out() -> None:
    with pytest.raises(TransientError) as caught:
        _fails(told=False)
    assert "ValueError" not in redacted_trace(caught.value)
