"""From a source's documents to the destination's payloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from order_relay.errors import Refusal
from order_relay.orders.judging import VendorFormat
from order_relay.orders.transform_settings import TransformSettings


@dataclass(slots=True)
class Transformed:
    """What became of one document.

    ``index`` is its place in the input. Either ``payload`` holds the bytes to send, or ``refusals`` says why not.
    ``total_minor`` is in minor units of ``currency``. ``notes`` say what was cut or defaulted, without any value.
    """

    index: int
    payload: bytes | None = None
    destination_key: str = ""
    total_minor: int = 0
    currency: str = ""
    notes: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


class Transformer:
    """Turns documents of ``source`` into payloads of ``destination``.

    Raises ``WrongSetup`` where mappings, overrides, constants or settings do not fit each other.
    """

    def __init__(self, source: VendorFormat, destination: VendorFormat, settings: TransformSettings) -> None:
        self.source = source
        self.destination = destination
        self.settings = settings
        self.fingerprint = ""

    def transform(self, documents: Sequence[dict[str, Any]]) -> list[Transformed]:
        """One result for each document, in their order. No document can make another one fail."""
        raise NotImplementedError
