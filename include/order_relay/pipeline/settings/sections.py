"""The sections of a pipeline's file: keys, bounds and defaults."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from order_relay.orders.fulfilment.oms_order import AskingPace
from order_relay.orders.messages import MAX_ATTEMPTS


class SettingsSection(BaseModel):
    """A group of settings. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VendorAccount(SettingsSection):
    """One account at a vendor: its folder, the connection id, and overrides of the connection's extra fields."""

    vendor: str = Field(pattern=r"^[a-z0-9]+$")
    connection: str = Field(min_length=1, max_length=200)
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("options")
    @classmethod
    def _no_secrets(cls, options: dict[str, Any]) -> dict[str, Any]:
        if {"login", "password", "host"} & set(options):
            raise ValueError("host, login and password belong in the connection, never in a file")
        return options


class PolicySettings(SettingsSection):
    """How versions of an order are resolved (docs/guarantees.md, 'Resolving versions')."""

    resubmission: Literal["review", "import_as_new", "ignore"] = "review"
    unknown_base: Literal["review", "import"] = "review"
    suffixed: Literal["auto", "review"] = "auto"
    min_common_items: float = Field(default=0.5, ge=0.0, le=1.0)


class MappingSettings(SettingsSection):
    """Additions to the vendors' mapping files, in the same structure; ``constants``: payload path to value."""

    source: dict[str, Any] = Field(default_factory=dict)
    destination: dict[str, Any] = Field(default_factory=dict)
    constants: dict[str, Any] = Field(default_factory=dict)


class ReadingSettings(SettingsSection):
    """How a source that is queried by time is read; times in seconds unless named otherwise.

    ``overlap_s``: a run reads from this long before the watermark. ``first_days``: how far back the first run reads.
    ``ask_again_s``: minimum time until a waiting order (an open payment) is fetched again. ``gone_after_s``: an order
    that the source answers with HTTP 404 for this long counts as withdrawn. ``backfill_from_source``: a backfill of a
    source that is not queried by time also reads its interval from it (``ports.PastReader``) and receives the orders
    that the ledger has never seen, instead of only evaluating archived ones again.
    """

    overlap_s: float = Field(default=26 * 3600.0, ge=0.0, le=30 * 86400.0)
    first_days: float = Field(default=30.0, ge=0.0, le=3650.0)
    ask_again_s: float = Field(default=900.0, ge=0.0, le=86400.0)
    gone_after_s: float = Field(default=86400.0, ge=3600.0, le=30 * 86400.0)
    backfill_from_source: bool = False


class ChunkSettings(SettingsSection):
    """How ready orders are divided among load tasks."""

    at_most: int = Field(default=16, ge=1, le=16)
    min_size: int = Field(default=2_000, ge=1, le=100_000)
    parallel: int = Field(default=4, ge=1, le=16)


class LoadSettings(SettingsSection):
    """How a chunk is sent; times in seconds.

    ``lookup_before_send``: the preflight check (``pipeline.lookup.preflight``); ``auto`` looks up unverified orders,
    ``always`` all, ``never`` none. ``lease_s``: no request starts later than this after its claim. ``max_wait_s``: a
    throttle is waited out this long, then left to Airflow's retry. ``failures_in_a_row``: consecutive failures of the
    OMS that stop the chunk. ``refused_at_first``: if this many first answers are all HTTP 400, the configuration is
    wrong and not the orders. ``max_attempts``: an order is rejected after this many attempts with the same result, each
    proven absent; at an idempotent destination, an operator is asked after this many attempts.
    """

    lookup_before_send: Literal["auto", "always", "never"] = "auto"
    lease_s: float = Field(default=30.0, ge=1.0, le=600.0)
    max_wait_s: float = Field(default=120.0, ge=0.0, le=3600.0)
    failures_in_a_row: int = Field(default=5, ge=1, le=1000)
    refused_at_first: int = Field(default=20, ge=1, le=1000)
    max_attempts: int = Field(default=MAX_ATTEMPTS, ge=1, le=20)


class AcknowledgeSettings(SettingsSection):
    """Whether and in which portions orders are acknowledged; ``given_up_s``: seconds after which an acknowledgement
    without a response is sent again."""

    enabled: bool = True
    slice: int = Field(default=100, ge=1, le=1000)
    given_up_s: float = Field(default=900.0, ge=0.0, le=86400.0)


class FeedbackSettings(SettingsSection):
    """Write-back to the source.

    ``parallel``: concurrent requests. ``most_refusals``: after this many refusals a step has failed and needs an
    operator. ``done_after``: an order is reported as done when everything was shipped, or at ``import``, for companies
    without shipment data and for orders imported as shipped. ``cancelled_days``: orders confirmed within this many days
    are checked for cancellations at the source (0: only before something is reported about them).
    """

    parallel: int = Field(default=4, ge=1, le=64)
    most_refusals: int = Field(default=5, ge=1, le=100)
    done_after: Literal["shipment", "import"] = "shipment"
    cancelled_days: int = Field(default=30, ge=0, le=365)


class OmsStatusSettings(SettingsSection):
    """Asking the destination what became of imported orders; times in seconds unless named otherwise.

    ``shipments``: whether parcels are recorded, so that write-back and feeds report them. ``first_days``: the first run
    asks about orders imported within this many days. ``most_orders``: maximum orders per run; ``parallel``: concurrent
    questions. ``first_s``, ``longest_s``: shortest and longest distance between two questions about an order, which
    grows with the time since its last change. ``most_days``: after this many days since its import an order is asked
    about no longer. ``alert_after_s``: an alert is raised about orders that have an unknown status word, are rejected,
    or are without a readable answer for so long; null: never.
    """

    enabled: bool = False
    shipments: bool = True
    first_days: float = Field(default=30.0, ge=0.0, le=3650.0)
    most_orders: int = Field(default=2_000, ge=1, le=100_000)
    parallel: int = Field(default=4, ge=1, le=64)
    first_s: float = Field(default=900.0, ge=60.0, le=86400.0)
    longest_s: float = Field(default=604_800.0, ge=3600.0, le=31 * 86400.0)
    most_days: float = Field(default=180.0, ge=1.0, le=3650.0)
    alert_after_s: float | None = Field(default=86400.0, ge=60.0, le=31 * 86400.0)

    @property
    def pace(self) -> AskingPace:
        """How often an order is asked about."""
        return AskingPace(first_s=self.first_s, longest_s=self.longest_s, most_days=self.most_days)


class PortalFileSettings(SettingsSection):
    """Files for the source's sales portal: an Airflow connection of type sftp, and a folder there.

    ``not_taken``: whether a file of ours that the portal has not removed yet is waited for, or replaced. ``days``: how
    many days of changes the first file holds, and at most a replacing one. ``most_orders``: in one file; more follow in
    the next ones. ``tracking_days``: parcels matched within this many days are listed, at most ``most_parcels``.
    """

    enabled: bool = False
    connection: str = Field(default="sales_portal", min_length=1, max_length=200)
    folder: str = Field(default="/data", min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")
    not_taken: Literal["wait", "replace"] = "wait"
    days: float = Field(default=30.0, gt=0.0, le=365.0)
    most_orders: int = Field(default=2_000, ge=1, le=20_000)
    tracking_days: float = Field(default=90.0, gt=0.0, le=3650.0)
    most_parcels: int = Field(default=50_000, ge=1, le=1_000_000)


class HistorySettings(SettingsSection):
    """The history import.

    ``write_back``: orders that a history import read are reported to the source as any other: they are
    acknowledged, and number, lines and shipments are written back.
    """

    write_back: bool = False


class FetchSettings(SettingsSection):
    """The server from which files are fetched: an Airflow connection of type ftp, ftps or sftp.

    ``folder``, ``move_to``: paths on the server. ``pattern``: of file names (``*``, ``?``, ``[...]``, case
    insensitive). ``afterwards``: what happens to a file on the server once it is in the batch store. ``settled_s``: a
    file is fetched if it is unchanged after this many seconds. ``most``: maximum files per run.
    """

    connection: str = Field(min_length=1, max_length=200)
    folder: str = Field(default=".", min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")
    pattern: str = Field(default="*.csv", min_length=1)
    afterwards: Literal["keep", "delete", "move"] = "keep"
    move_to: str = Field(default="", pattern=r"^[^\x00-\x1f\x7f]*$")
    settled_s: float = Field(default=10.0, ge=0.0, le=300.0)
    most: int = Field(default=1000, ge=1, le=100_000)

    @model_validator(mode="after")
    def _move_to_fits(self) -> FetchSettings:
        if (self.afterwards == "move") != bool(self.move_to):
            raise ValueError("move_to is needed with afterwards: move, and only then")
        if self.move_to and self.move_to.rstrip("/") == self.folder.rstrip("/"):
            raise ValueError("move_to must be another folder, or the files would be fetched again")
        return self


class DeliverySettings(SettingsSection):
    """The files of a source that reads files, in ``PIPELINE/drops/`` of the batch store.

    ``fetch``: the server from which files are fetched before a history import. ``size_limit_bytes``: of a file; it is
    read into memory as a whole.
    """

    fetch: FetchSettings | None = None
    size_limit_bytes: int = Field(default=50 << 20, ge=1, le=1 << 30)


class DoubtSettings(SettingsSection):
    """Orders in doubt: seconds after sending until an operator is asked about an order that lookups did not settle."""

    tell_after_s: float = Field(default=3600.0, ge=60.0, le=30 * 86400.0)


class ReviewSettings(SettingsSection):
    """Reviews of held orders: seconds without an answer until operators are reminded; repeated."""

    remind_after_s: float = Field(default=86400.0, ge=60.0, le=30 * 86400.0)


class ReconcileSettings(SettingsSection):
    """Reconciliation: how many days back, and whether orders unknown to the ledger raise an alert.

    ``alert_unknown`` is for accounts into which only this ledger imports; elsewhere such orders are only counted.
    ``source_days``: orders submitted within this many days are listed at the source as well (``ports.PastReader``), and
    those that the ledger has never seen are reported; 0: none.
    """

    days: int = Field(default=7, ge=1, le=90)
    source_days: int = Field(default=0, ge=0, le=90)
    alert_unknown: bool = True


class RetentionSettings(SettingsSection):
    """After how many days the data of settled orders is removed; ``null``: never.

    ``archive_days``: raw orders, by fetch time. ``runs_days``: payloads, reports and worklists, by write time.
    ``ledger_days``: personal data in the ledger, by the order's last change. Data of open orders is kept, as are
    identities, states, events and hashes. ``trial_days``: everything that dry runs and shadow runs left behind (scratch
    ledgers, raw orders, payloads), which no ledger refers to; the shorter of it and ``runs_days`` applies.
    """

    archive_days: int | None = Field(default=None, ge=1, le=36_500)
    runs_days: int | None = Field(default=None, ge=1, le=36_500)
    ledger_days: int | None = Field(default=None, ge=1, le=36_500)
    trial_days: int | None = Field(default=7, ge=1, le=36_500)
