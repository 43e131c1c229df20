"""The settings of a status account: a vendor that only tells what becomes of orders that reached it otherwise.

One file each in ``include/config/``, ``VENDOR_status.yaml`` or ``VENDOR_status__NAME.yaml``; its DAG has the same name.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from order_relay.errors import ConfigurationError
from order_relay.orders.fulfilment.csv_text import usable_encoding
from order_relay.pipeline.settings.pipeline import STATUS_FILE, Cron, load_validated, status_files
from order_relay.pipeline.settings.sections import SettingsSection, VendorAccount
from order_relay.times import find_zone

NAMED_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


class ScopeSettings(SettingsSection):
    """Which orders of ours the vendor fulfils: of these pipelines (none named: of all), and by which number it knows
    them: ``order_number``, or ``destination_key`` (the external id at the OMS)."""

    pipelines: list[str] = Field(default_factory=list)
    number: Literal["order_number", "destination_key"] = "order_number"


class PollSettings(SettingsSection):
    """How changes are polled; times in seconds unless named otherwise.

    ``overlap_s``: so far before the last settled point a poll begins. ``first_days``: how far back the first one looks.
    ``full``: the vendor's polls show whole histories, so that what they lack was deleted. Else ``missing_events`` says
    what a known event means that a poll lacks: ``ask`` (its order is read by id), or ``ignore`` (polls show only what
    is new). ``pushes_without_time``: what
    a webhook or CSV row without any time is worth: ``ask`` (never more than what stands; the order is read by id) or
    ``arrival`` (the moment at which it came). ``most_passes``: a window of several pages is read again until nothing
    new comes, at most so often.
    """

    overlap_s: float = Field(default=3600.0, ge=0.0, le=30 * 86400.0)
    first_days: float = Field(default=30.0, ge=0.0, le=3650.0)
    full: bool = False
    missing_events: Literal["ask", "ignore"] = "ask"
    pushes_without_time: Literal["ask", "arrival"] = "ask"
    most_passes: int = Field(default=4, ge=1, le=20)


class ByIdSettings(SettingsSection):
    """Reading single orders; times in seconds unless named otherwise.

    ``overdue_after_s``: an order of ours is asked for after such a silence, as long as it was imported at most
    ``horizon_days`` ago or was ever named by the vendor. One with a final status is asked for as well, for
    ``final_days`` after its last change, since the vendor withdraws events. An order waits ``first_wait_s`` before it
    is asked for again, twice as long each time, up to ``longest_wait_s``. ``most``: orders a run.
    """

    enabled: bool = True
    overdue_after_s: float = Field(default=86400.0, ge=60.0, le=90 * 86400.0)
    horizon_days: float = Field(default=60.0, ge=0.0, le=3650.0)
    final_days: float = Field(default=14.0, ge=0.0, le=3650.0)
    first_wait_s: float = Field(default=900.0, ge=1.0, le=86400.0)
    longest_wait_s: float = Field(default=86400.0, ge=1.0, le=30 * 86400.0)
    most: int = Field(default=100, ge=1, le=10_000)


class ShipmentSettings(SettingsSection):
    """Whether a shipped parcel of an order of ours fills the ledger's shipments. ``when``: ``all`` of its parcels are
    shipped (a parcel's content is not told, so it stands for the whole order), or ``each`` as it comes."""

    record: bool = True
    when: Literal["all", "each"] = "all"


class FetchSettings(SettingsSection):
    """From which server CSV files are fetched: an Airflow connection of type ftp, ftps or sftp.

    ``folder``, ``move_to``: as the server names them. ``pattern``: of file names (``*``, ``?``, ``[...]``, in upper and
    lower case). ``afterwards``: what becomes of a file at the server once it stands in the batch store.
    ``settled_s``: a file is fetched if it looks the same again after so many seconds. ``most``: files a run.
    """

    connection: str = Field(min_length=1, max_length=200)
    folder: str = Field(default=".", min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")
    pattern: str = Field(default="*.csv", min_length=1)
    afterwards: Literal["keep", "delete", "move"] = "keep"
    move_to: str = Field(default="", pattern=r"^[^\x00-\x1f\x7f]*$")
    settled_s: float = Field(default=10.0, ge=0.0, le=300.0)
    most: int = Field(default=1000, ge=1, le=100_000)

    @model_validator(mode="after")
    def _has_a_place_to_move_to(self) -> FetchSettings:
        if (self.afterwards == "move") != bool(self.move_to):
            raise ValueError("move_to is needed with afterwards: move, and only then")
        if self.move_to and self.move_to.rstrip("/") == self.folder.rstrip("/"):
            raise ValueError("move_to must be another folder, or the files would be fetched again")
        return self


class FileSettings(SettingsSection):
    """CSV drops: read from ``NAME/drops/`` in the batch store. ``columns``: what differs from the vendor's mapping.

    Empty, ``encoding``, ``delimiter`` and ``time_format`` (as ``strptime`` has it) are found for each file.
    ``time_zone``: of times that name no zone; without it such times are refused, but for those that ``time_format``
    describes, which are then in UTC.
    ``settled_s``: a file in a local store that was written less than so many seconds ago is looked at again after them;
    where it changed, it is left for the next run. ``fetch``: from which server they are fetched before.
    """

    enabled: bool = True
    fetch: FetchSettings | None = None
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
    """How webhooks are taken: the largest body, how many at one time, and the pause asked for beyond that."""

    size_limit_bytes: int = Field(default=1 << 20, ge=1, le=64 << 20)
    at_once: int = Field(default=16, ge=1, le=1000)
    retry_after_s: int = Field(default=5, ge=1, le=3600)


class StatusRetention(SettingsSection):
    """After how many days what an account said is removed; ``None``: never. Statuses, times and hashes always stay.

    ``archive_days``: CSV files that were read or refused. ``ledger_days``: places and notes of orders that are nobody's
    (those of ours go with their pipeline's ``ledger_days``), by when their state changed last.
    """

    archive_days: int | None = Field(default=None, ge=1, le=36_500)
    ledger_days: int | None = Field(default=None, ge=1, le=36_500)


class StatusSettings(SettingsSection):
    """One status account. ``mapping``: what differs from the vendor's record mapping."""

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
    """One status account by its name. Raises ``ConfigurationError`` where there is none or its file is not valid."""
    files = status_files(folder)
    if name not in files:
        raise ConfigurationError(f"there is no status account {name!r}; there are: {', '.join(files) or 'none'}")
    return load_validated(files[name], StatusSettings)
