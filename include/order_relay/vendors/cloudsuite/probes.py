"""What ``doctor`` says about this vendor's connection beyond its fields: nothing is requested."""

from __future__ import annotations

from order_relay.vendors.cloudsuite.client import CloudSuiteClient

Row = tuple[str, str, str]


def source_probes(port: CloudSuiteClient) -> list[Row]:
    """Rows of level (``ok``, ``warn``, ``fail``), what was found, and advice."""
    zone = port.settings.zone
    if zone is not None:
        return [("ok", f"the shop's clock is read as {zone.key}", "")]
    return [
        (
            "warn",
            "time_zone is not set: the times of orders are read as UTC, and each list is read 12 hours further back",
            "set time_zone in the connection to the shop's zone, such as Europe/Amsterdam",
        )
    ]
