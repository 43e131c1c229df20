"""The fields of a connection of type ``orderfiles``. A file server has a connection of its own (``files.fetch``)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from order_relay.http.connection_settings import ConnectionSettings, Name, TextMapping
from order_relay.orders.fulfilment.csv_text import usable_encoding

_TAB = "tab"


def _encoding(name: str) -> str:
    if name and not usable_encoding(name):
        raise ValueError("must be an encoding such as utf-8, utf-16 or cp1252, or empty")
    return name


def _delimiter(text: str) -> str:
    if text and text != _TAB and (len(text) != 1 or text.isalnum() or text in '"\r\n '):
        raise ValueError("must be one character such as ';', or tab, or empty")
    return "\t" if text == _TAB else text


class OrderFileSettings(ConnectionSettings):
    """Where the orders come from, and how CSV files are read.

    ``origin`` identifies the account in the ledger. ``encoding``, ``delimiter``: detected if empty. ``columns``: from a
    file's column names to ours.
    """

    origin: Name = Field(
        title="Origin",
        description="Name of the system that the orders come from; do not change it after the first import",
        examples=["old-shop"],
    )
    encoding: Annotated[str, AfterValidator(_encoding)] = Field(
        "", title="Encoding", description="Encoding of CSV files without a byte order mark; empty: UTF-8 or UTF-16"
    )
    delimiter: Annotated[str, AfterValidator(_delimiter)] = Field(
        "", title="Delimiter", description="Delimiter of CSV files: one character, or tab; empty: detected"
    )
    columns: TextMapping = Field(
        {},
        title="Column names (JSON object)",
        description='From a column\'s name in CSV files to ours, such as {"Order No": "order_number"}',
    )
    order_limit_bytes: int = Field(
        4 << 20,
        title="Size limit of an order (bytes)",
        description="A larger order is quarantined",
        ge=1 << 12,
        le=1 << 26,
    )
