"""Reads the orders of one delivered file. Which file, and what becomes of it, is decided by the history import."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from typing import Literal

from order_relay.errors import ConfigurationError
from order_relay.orders.messages import Acknowledgement, Selection, SourceOrder
from order_relay.orders.schema.validator import VendorFormat

from .connection import OrderFileSettings
from .csv_orders import read_csv
from .json_lines import read_json_lines


class OrderFiles:
    """Implements ``Source``. Nothing is acknowledged."""

    windowed = True
    acknowledges: Literal["order_number", "source_id"] = "order_number"

    def __init__(self, settings: OrderFileSettings, vendor_format: VendorFormat) -> None:
        self._settings = settings
        self.account = f"orderfiles:{settings.origin}"
        self.format = vendor_format

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """The orders of ``selection.file``. Raises ``ConfigurationError`` without one, or for an unusable header."""
        file = selection.file
        if file is None:
            raise ConfigurationError("orders in files are imported by the DAG history_import only")
        text = file.data.removeprefix(codecs.BOM_UTF8).lstrip()
        if text.startswith(b"{"):
            yield from read_json_lines(file.data, file.name, self._settings.order_limit_bytes)
        else:
            yield from read_csv(file.data, file.name, self._settings)

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Answers nothing."""
        return {}

    def close(self) -> None:
        """Nothing is open."""
