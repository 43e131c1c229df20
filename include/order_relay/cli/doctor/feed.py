"""Doctor's check of the feed that ShipRush polls; says nothing where a firm has none."""

from __future__ import annotations

from collections.abc import Iterator

from order_relay.cli.deployment import Installation
from order_relay.cli.doctor.checks import CheckResult, ok, warn
from order_relay.errors import ConfigurationError

CONNECTION = "shiprush_feed"
WEAK = 12  # characters of a password that a program presents and nobody has to remember


def feed(installation: Installation) -> Iterator[CheckResult]:
    """The connection's fields, and whether its pipelines exist. Raises ``ConfigurationError`` naming a wrong field."""
    from order_relay.vendors.shiprush.connection import read_settings

    try:
        connection = installation.connection(CONNECTION)
    except ConfigurationError:
        return
    settings = read_settings(connection)
    where = f"connection {CONNECTION}"
    whose = ", ".join(sorted(settings.pipelines)) or "all pipelines"
    yield ok(where, f"orders of {whose}, from {settings.entered} on, {settings.page_size} a page")
    if unknown := sorted(settings.pipelines - installation.pipelines.keys()):
        yield warn(where, f"there is no pipeline {', '.join(unknown)}", "mend the field 'pipelines'")
    if len(settings.password) < WEAK:
        yield warn(where, f"the password is shorter than {WEAK} characters", "take a long random one")
