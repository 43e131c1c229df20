"""The sections of a pipeline's file: what may stand in each, its bounds and its default."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from order_relay.orders.messages import MAX_ATTEMPTS


class SettingsSection(BaseModel):
    """Settings that belong together. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VendorAccount(SettingsSection):
    """One account at one vendor: the vendor's folder, the id of the connection, and what overrides its extra fields."""

    vendor: str = Field(pattern=r"^[a-z0-9]+$")
    connection: str = Field(min_length=1, max_length=200)
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("options")
    @classmethod
    def _no_secrets(cls, options: dict[str, Any]) -> dict[str, Any]:
        if {"login", "password", "host"} & set(options):
            raise ValueError("host, login and password stand in the connection, never in a file")
        return options


class PolicySettings(SettingsSection):
    """Who decides about versions of an order (the table 'Resolving versions')."""

    resubmission: Literal["review", "import_as_new", "ignore"] = "review"
    unknown_base: Literal["review", "import"] = "review"
    suffixed: Literal["auto", "review"] = "auto"
    min_common_items: float = Field(default=0.5, ge=0.0, le=1.0)


class MappingSettings(SettingsSection):
    """Additions to the vendors' own mapping files, in their shape; ``constants``: payload path to value."""

    source: dict[str, Any] = Field(default_factory=dict)
    destination: dict[str, Any] = Field(default_factory=dict)
    constants: dict[str, Any] = Field(default_factory=dict)


class ReadingSettings(SettingsSection):
    """How a source that is asked by time is read; times in seconds unless named otherwise.

    ``overlap_s``: so far before the last point up to which it was read a run begins. ``first_days``: how far back the
    first run looks. ``ask_again_s``: a waiting order (an open payment) is asked for again after this at the earliest.
    ``gone_after_s``: an order that its source denies (HTTP 404) counts as withdrawn after this long, never earlier.
    """

    overlap_s: float = Field(default=26 * 3600.0, ge=0.0, le=30 * 86400.0)
    first_days: float = Field(default=30.0, ge=0.0, le=3650.0)
    ask_again_s: float = Field(default=900.0, ge=0.0, le=86400.0)
    gone_after_s: float = Field(default=86400.0, ge=3600.0, le=30 * 86400.0)


class ChunkSettings(SettingsSection):
    """How the ready orders are divided among load tasks."""

    at_most: int = Field(default=16, ge=1, le=16)
    min_size: int = Field(default=250, ge=1, le=100_000)
    parallel: int = Field(default=4, ge=1, le=16)


class LoadSettings(SettingsSection):
    """How a chunk is sent; times in seconds.

    ``lookup_before_send``: the preflight check; ``auto`` looks up orders that the ledger calls unverified, ``always``
    all, ``never`` none. ``lease_s``: no request starts later than this after its claim. ``max_wait_s``: a throttle is
    waited out this long, then left to Airflow's retry. ``failures_in_a_row``: consecutive failures of the OMS that stop
    the chunk. ``refused_at_first``: if this many first answers are all HTTP 400, the configuration is wrong and not the
    orders. ``max_attempts``: an order is rejected after this many attempts with the same result, each proven absent.
    """

    lookup_before_send: Literal["auto", "always", "never"] = "auto"
    lease_s: float = Field(default=30.0, ge=1.0, le=600.0)
    max_wait_s: float = Field(default=120.0, ge=0.0, le=3600.0)
    failures_in_a_row: int = Field(default=5, ge=1, le=1000)
    refused_at_first: int = Field(default=20, ge=1, le=1000)
    max_attempts: int = Field(default=MAX_ATTEMPTS, ge=1, le=20)


class AcknowledgeSettings(SettingsSection):
    """Whether and in which portions the source is told; ``given_up_s``: seconds after which silence is told again."""

    enabled: bool = True
    slice: int = Field(default=100, ge=1, le=1000)
    given_up_s: float = Field(default=900.0, ge=0.0, le=86400.0)


class FeedbackSettings(SettingsSection):
    """What a source is told about its orders.

    ``parallel``: requests at one time. ``most_refusals``: after this many refusals a step has failed and waits for an
    operator. ``done_after``: a source is told that an order is done when everything was shipped, or at ``import``, for
    firms without deliveries and orders that are imported as shipped. ``cancelled_days``: orders confirmed this many
    days ago or later are checked for cancellations at the source (0: only before something is told of them).
    """

    parallel: int = Field(default=4, ge=1, le=64)
    most_refusals: int = Field(default=5, ge=1, le=100)
    done_after: Literal["shipment", "import"] = "shipment"
    cancelled_days: int = Field(default=30, ge=0, le=365)


class DoubtSettings(SettingsSection):
    """Orders in doubt: when a person is asked about one that look-ups did not settle, in seconds after its sending."""

    tell_after_s: float = Field(default=3600.0, ge=60.0, le=30 * 86400.0)


class ReviewSettings(SettingsSection):
    """Reviews of held orders: after how many seconds without an answer people are reminded, again and again."""

    remind_after_s: float = Field(default=86400.0, ge=60.0, le=30 * 86400.0)


class ReconcileSettings(SettingsSection):
    """Ledger and destination compared: how many days back, and whether orders unknown here are alerted.

    ``alert_unknown`` is for accounts that nobody else imports into; elsewhere such orders are counted only.
    """

    days: int = Field(default=7, ge=1, le=90)
    alert_unknown: bool = True


class RetentionSettings(SettingsSection):
    """After how many days what is settled is removed; ``null``: never.

    ``archive_days``: raw orders, by when they were fetched. ``runs_days``: payloads, reports and work lists, by when
    they were written. ``ledger_days``: personal data in the ledger, by when the order changed last. What an open order
    needs stays, and so do identities, states, events and hashes. ``trial_days``: everything that dry runs and runs in
    shadow mode left (scratch ledgers, raw orders, payloads), which no ledger refers to; the shorter of it and
    ``runs_days`` counts.
    """

    archive_days: int | None = Field(default=None, ge=1, le=36_500)
    runs_days: int | None = Field(default=None, ge=1, le=36_500)
    ledger_days: int | None = Field(default=None, ge=1, le=36_500)
    trial_days: int | None = Field(default=7, ge=1, le=36_500)
