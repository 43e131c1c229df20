"""Texts that fit a database column, and compact JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from order_relay.orders.notes import OrderNote, notes_to_json

MAX_BODY = 16_000  # maximum bytes stored of an answer
MAX_REMARK = 1_000  # maximum bytes stored of a message that came with an order id

_ENCODER = json.JSONEncoder(separators=(",", ":"), default=str)  # json.dumps with options builds one for each call


def clean_text(text: str, limit: int = 2_000) -> str:
    """``text`` without characters that a text column refuses (NUL, lone surrogates), cut to ``limit`` UTF-8 bytes."""
    data = text.replace("\x00", "\ufffd").encode("utf-8", "replace")
    return data[:limit].decode("utf-8", "ignore")


def dump_json(value: Any) -> str:
    """Compact JSON text of plain values."""
    return _ENCODER.encode(value)


def load_json(text: str | None, default: Any = None) -> Any:
    """The value of JSON text; ``default`` if it is empty or missing."""
    return json.loads(text) if text else default


def notes_text(notes: Iterable[OrderNote]) -> str:
    """An order's notes as stored in its row."""
    return dump_json(
        notes_to_json(
            OrderNote(clean_text(n.code, 60), clean_text(n.path, 300), clean_text(n.message, 300)) for n in notes
        )
    )
