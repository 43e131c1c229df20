"""The settings of a status account: a vendor that reports the progress of orders it received by other means.

One file each in ``include/config/``, ``VENDOR_status.yaml`` or ``VENDOR_status__NAME.yaml``; its DAG has the same name.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from order_relay.errors import ConfigurationError
from order_relay.orders.fulfilment.csv_text import usable_encoding
from order_relay.pipeline.settings.pipeline import STATUS_FILE, Cron, load_validated, status_files
from order_relay.pipeline.settings.sections import FetchSettings, SettingsSection, VendorAccount
from order_relay.times import find_zone

NAMED_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


class ScopeSettings(SettingsSection):
    """Which orders the vendor fulfils: those of ``pipelines`` (empty: of all), identified by ``number``:
    ``order_number``, or ``destination_key`` (the external id at the OMS)."""

    pipelines: list[str] = Field(default_factory=list)
    number: Literal["order_number", "destination_key"] = "order_number"


class PollSettings(SettingsSection):
    """How changes are polled; times in seconds unless named otherwise.

    ``overlap_s``: a poll begins this long before the watermark. ``first_days``: how far back the first poll reads.
    ``full``: polls return complete histories, so that an event they lack was deleted. Otherwise ``missing_events``
    decides about a known event that a poll lacks: ``ask`` (the order is read by id), or ``ignore`` (polls return new
    events only). ``pushes_without_time``: how a webhook or CSV row without any time is dated: ``ask`` (it never
    replaces a known state; the order is read by id) or ``arrival`` (when it arrived). ``most_passes``: maximum reads of
    a window of several pages, which is repeated until nothing new appears.
    """

    overlap_s: float = Field(default=3600.0, ge=0.0, le=30 * 86400.0)
    first_days: float = Field(default=30.0, ge=0.0, le=3650.0)
    full: bool = False
    missing_events: Literal["ask", "ignore"] = "ask"
    pushes_without_time: Literal["ask", "arrival"] = "ask"
    most_passes: int = Field(default=4, ge=1, le=20)


class ByIdSettings(SettingsSection):
    """Reading single orders; times in seconds unless named otherwise.

    ``overdue_after_s``: an order is read after this time without news, if it was imported at most ``horizon_days`` ago
    or the vendor has ever reported it. Orders with a final status are read as well, for ``final_days`` after their last
    change, because the vendor withdraws events. The wait between two reads of an order starts at ``first_wait_s`` and
    doubles up to ``longest_wait_s``. ``most``: maximum orders per run.
    """

    enabled: bool = True
    overdue_after_s: float = Field(default=86400.0, ge=60.0, le=90 * 86400.0)
    horizon_days: float = Field(default=60.0, ge=0.0, le=3650.0)
    final_days: float = Field(default=14.0, ge=0.0, le=3650.0)
    first_wait_s: float = Field(default=900.0, ge=1.0, le=86400.0)
    longest_wait_s: float = Field(default=86400.0, ge=1.0, le=30 * 86400.0)
    most: int = Field(default=100, ge=1, le=10_000)


class ShipmentSettings(SettingsSection):
    """Whether shipped parcels are recorded as shipments in the ledger. ``when``: once ``all`` parcels of the order are
    shipped (the vendor does not report a parcel's content, so one parcel counts as the whole order), or ``each``."""

    record: bool = True
    when: Literal["all", "each"] = "all"


_MAIL_FOLDER = r"^[ !#-\[\]-~]*$"
"""Names of IMAP folders: ASCII without quotation marks and backslashes; others are given in modified UTF-7."""

_SENDER = r"^[!#-?A-\[\]-~]*@[!#-?A-\[\]-~]+$"


class MailSettings(SettingsSection):
    """The mailbox whose messages bring CSV files as attachments: an Airflow connection of type imap.

    ``senders``: addresses, or ``@domain`` for all of a domain. ``subject``: text that the subject contains (case
    insensitive; empty: any). ``pattern``: of attachment names, as in ``FetchSettings``. ``afterwards``: once the
    attachments of a message are in the batch store, it gets the keyword ``OrderRelay`` (mark) or is moved to
    ``move_to``. ``most``: maximum messages per run.
    """

    connection: str = Field(min_length=1, max_length=200)
    folder: str = Field(default="INBOX", min_length=1, pattern=_MAIL_FOLDER)
    senders: list[Annotated[str, Field(pattern=_SENDER, max_length=320)]] = Field(min_length=1)
    subject: str = Field(default="", max_length=200)
    pattern: str = Field(default="*.csv", min_length=1)
    afterwards: Literal["mark", "move"] = "mark"
    move_to: str = Field(default="", pattern=_MAIL_FOLDER)
    most: int = Field(default=100, ge=1, le=10_000)

    @model_validator(mode="after")
    def _move_to_fits(self) -> MailSettings:
        if (self.afterwards == "move") != bool(self.move_to):
            raise ValueError("move_to is needed with afterwards: move, and only then")
        if self.move_to.casefold() == self.folder.casefold():
            raise ValueError("move_to must be another folder, or the messages would be fetched again")
        return self


class FileSettings(SettingsSection):
    """CSV drops, read from ``NAME/drops/`` in the batch store. ``columns``: differences from the vendor's mapping.

    ``encoding``, ``delimiter`` and ``time_format`` (in ``strptime`` syntax) are detected per file if empty.
    ``time_zone``: of times without a zone. Without it such times are refused, except for those in ``time_format``,
    which are then UTC. ``settled_s``: a file in a local store that is younger than this is checked again; if it has
    changed, it is left for the next run. ``fetch``: the server from which files are fetched first. ``mail``: the
    mailbox whose attachments are fetched first.
    """

    enabled: bool = True
    fetch: FetchSettings | None = None
    mail: MailSettings | None = None
    settled_s: float = Field(default=5.0, ge=0.0, le=300.0)
    size_limit_bytes: int = Field(default=50 << 20, ge=1, le=1 << 30)
    columns: dict[str, str] = Field(default_factory=dict)
    encoding: str = ""
    delimiter: str = ""
    time_format: str = ""
    time_zone: str = ""

    @field_validator("encoding")
    @classmethod
    def _is_usable(cls, name: str) -> str:
        if name and not usable_encoding(name):
            raise ValueError("must be an encoding such as utf-8, utf-16, cp874 or cp1252, or empty")
        return name

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, text: str) -> str:
        if text and text not in NAMED_DELIMITERS and (len(text) != 1 or text.isalnum() or text in '"\r\n '):
            raise ValueError("must be one character such as ';', or tab, or empty")
        return text

    @field_validator("time_format")
    @classmethod
    def _is_a_layout(cls, layout: str) -> str:
        if layout:
            sample = datetime(2026, 5, 31, 14, 7, 9, tzinfo=UTC)
            try:
                whole = datetime.strptime(sample.strftime(layout), layout).replace(second=9, tzinfo=UTC)
            except ValueError:
                whole = None
            if whole != sample:
                raise ValueError("must name year, month, day, hour and minute, such as '%d/%m/%Y %H:%M'")
        return layout

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name and find_zone(name) is None:
            raise ValueError("must be a time zone such as Asia/Bangkok or UTC, or empty")
        return name


class WebhookSettings(SettingsSection):
    """Webhooks: maximum body size, maximum concurrent requests, and the pause requested beyond that."""

    size_limit_bytes: int = Field(default=1 << 20, ge=1, le=64 << 20)
    at_once: int = Field(default=16, ge=1, le=1000)
    retry_after_s: int = Field(default=5, ge=1, le=3600)


class StatusRetention(SettingsSection):
    """After how many days reported data is removed; ``None``: never. Statuses, times and hashes are always kept.

    ``archive_days``: CSV files that were read or refused. ``ledger_days``: locations and notes of orders that belong to
    no pipeline (others follow their pipeline's ``ledger_days``), by the last change of their state.
    """

    archive_days: int | None = Field(default=None, ge=1, le=36_500)
    ledger_days: int | None = Field(default=None, ge=1, le=36_500)


class StatusSettings(SettingsSection):
    """One status account. ``mapping``: differences from the vendor's record mapping."""

    name: str
    source: VendorAccount
    schedule: Cron = "*/5 * * * *"
    ours: ScopeSettings = ScopeSettings()
    poll: PollSettings = PollSettings()
    by_id: ByIdSettings = ByIdSettings()
    shipments: ShipmentSettings = ShipmentSettings()
    files: FileSettings = FileSettings()
    webhook: WebhookSettings = WebhookSettings()
    retention: StatusRetention = StatusRetention()
    mapping: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _named_after_its_vendor(self) -> StatusSettings:
        match = STATUS_FILE.fullmatch(self.name)
        if not match:
            raise ValueError("the file's name must be VENDOR_status.yaml or VENDOR_status__NAME.yaml")
        if self.source.vendor != match["vendor"]:
            raise ValueError(f"source.vendor must be {match['vendor']!r}, as in the file's name")
        return self


def load_status(name: str, folder: Path | None = None) -> StatusSettings:
    """Load one status account by name. Raises ``ConfigurationError`` if there is none or its file is invalid."""
    files = status_files(folder)
    if name not in files:
        raise ConfigurationError(f"unknown status account {name!r}; available: {', '.join(files) or 'none'}")
    return load_validated(files[name], StatusSettings)
