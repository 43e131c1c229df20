"""Doctor's check of ShipRush's order feed. Without the connection there is nothing to check."""

from __future__ import annotations

from collections.abc import Iterator

from order_relay.cli.deployment import Installation
from order_relay.cli.doctor.checks import CheckResult, ok, warn
from order_relay.errors import ConfigurationError

CONNECTION = "shiprush_feed"
MIN_PASSWORD_LENGTH = 12  # a program presents it; nobody has to remember it


def feed(installation: Installation) -> Iterator[CheckResult]:
    """Check the connection's fields and pipelines; raises ``ConfigurationError`` naming an invalid field."""
    from order_relay.vendors.shiprush.connection import read_settings

    try:
        connection = installation.connection(CONNECTION)
    except ConfigurationError:
        return
    settings = read_settings(connection)
    where = f"connection {CONNECTION}"
    names = ", ".join(sorted(settings.pipelines)) or "all pipelines"
    yield ok(where, f"serves orders of {names} from {settings.entered} on, {settings.page_size} per page")
    if unknown := sorted(settings.pipelines - installation.pipelines.keys()):
        yield warn(where, f"unknown pipelines: {', '.join(unknown)}", "correct the field 'pipelines'")
    if len(settings.password) < MIN_PASSWORD_LENGTH:
        yield warn(
            where, f"the password is shorter than {MIN_PASSWORD_LENGTH} characters", "use a long random password"
        )
