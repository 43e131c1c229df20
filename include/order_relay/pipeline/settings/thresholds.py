"""When a pipeline raises alerts: the section ``alerts`` of its file. Times in seconds; null: never."""

from __future__ import annotations

from pydantic import Field

from order_relay.pipeline.settings.sections import SettingsSection

HOUR = 3600.0
DAY = 24 * HOUR
MONTH = 31 * DAY


class StuckSettings(SettingsSection):
    """How long an order may stay in a state before an alert is raised. In doubt: see ``doubt.tell_after_s``.

    ``left_out``: missing from the order feed, because it cannot be rendered.
    """

    received: float | None = Field(default=2 * HOUR, ge=60.0, le=MONTH)
    waiting: float | None = Field(default=2 * DAY, ge=60.0, le=MONTH)
    ready: float | None = Field(default=2 * HOUR, ge=60.0, le=MONTH)
    sending: float | None = Field(default=2 * HOUR, ge=60.0, le=MONTH)
    held: float | None = Field(default=DAY, ge=60.0, le=MONTH)
    quarantined: float | None = Field(default=DAY, ge=60.0, le=MONTH)
    rejected: float | None = Field(default=DAY, ge=60.0, le=MONTH)
    left_out: float | None = Field(default=60.0, ge=60.0, le=MONTH)
    acknowledgement: float | None = Field(default=6 * HOUR, ge=60.0, le=MONTH)


class AlertSettings(SettingsSection):
    """Which conditions raise an alert, and how often.

    ``repeat_s``: an alert is repeated after this time while its cause lasts (immediately if its orders have doubled).
    ``quarantined_more_than``: number of orders in quarantine. ``quarantined_share``: fraction of the newest run's
    orders that was quarantined. ``unread_after_s``: the source could not be read completely. ``no_orders_after_s``: it
    was read but had no orders. ``stopped_after_s``: sending is stopped by the Variable.
    """

    repeat_s: float = Field(default=DAY, ge=600.0, le=MONTH)
    quarantined_more_than: int | None = Field(default=20, ge=0, le=1_000_000)
    quarantined_share: float | None = Field(default=0.5, gt=0.0, le=1.0)
    unread_after_s: float | None = Field(default=DAY, ge=60.0, le=MONTH)
    no_orders_after_s: float | None = Field(default=None, ge=60.0, le=MONTH)
    stopped_after_s: float | None = Field(default=4 * HOUR, ge=0.0, le=MONTH)
    stuck_after_s: StuckSettings = StuckSettings()
