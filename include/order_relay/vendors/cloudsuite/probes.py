"""Checks of the connection for ``doctor``. Nothing is requested from the vendor."""

from __future__ import annotations

from order_relay.vendors.cloudsuite.client import CloudSuiteClient

Row = tuple[str, str, str]


def source_probes(port: CloudSuiteClient) -> list[Row]:
    """Rows of level (``ok``, ``warn``, ``fail``), finding, and advice."""
    zone = port.zone
    if zone is not None:
        return [("ok", f"times of orders are read in the zone {zone.key}", "")]
    return [
        (
            "warn",
            "time_zone is not set: times of orders are read as UTC, and each list starts 12 hours earlier",
            "set time_zone in the connection to the shop's zone, such as Europe/Amsterdam",
        )
    ]
