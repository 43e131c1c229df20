"""Checks that ``order-relay doctor`` runs on the connection of ShipRush's order feed. No request is sent."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from order_relay.connections import Connection
from order_relay.vendors.shiprush.connection import ShipRushSettings

CONNECTION = "shiprush_feed"
MIN_PASSWORD_LENGTH = 12  # a program presents it; nobody has to remember it


def endpoint_probes(connection: Connection, pipelines: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Rows of level (``ok``, ``warn``), finding and advice. ``pipelines``: names of all pipelines.

    Raises ``ConfigurationError`` naming an invalid field.
    """
    settings = ShipRushSettings.from_connection(connection)
    names = ", ".join(sorted(settings.pipelines)) or "all pipelines"
    yield "ok", f"serves orders of {names} from {settings.entered} on, {settings.page_size} per page", ""
    if unknown := sorted(settings.pipelines - set(pipelines)):
        yield "warn", f"unknown pipelines: {', '.join(unknown)}", "correct the field 'pipelines'"
    if len(settings.password) < MIN_PASSWORD_LENGTH:
        advice = "use a long random password"
        yield "warn", f"the password is shorter than {MIN_PASSWORD_LENGTH} characters", advice
