"""Doctor's check of the folder in which a source's sales portal takes files. Nothing is written there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from order_relay.airflow.doctor.checks import CheckResult, ok, warn
from order_relay.airflow.incoming.remote_files import open_upload_server

if TYPE_CHECKING:
    from order_relay.airflow.installation import Installation


def portal_files(installation: Installation, pipeline: str) -> Iterator[CheckResult]:
    """Log in, list the folder, and look for files there that others may own."""
    with installation.wiring(pipeline) as wiring:
        settings, form = wiring.settings.portal_files, wiring.portal_format
        oms_status = wiring.settings.oms_status
    check, names = f"portal of {pipeline}", (form.order_file_name, form.tracking_file_name)
    with open_upload_server(settings.connection, settings.folder) as server:
        found = [file.name for file in server.files()]
    yield ok(
        check, f"{settings.connection} lists {len(found)} files in {settings.folder}; whether it may write is open"
    )
    if not oms_status.enabled:
        yield warn(
            check,
            "oms_status is off: only parcels that were recorded otherwise are reported, and no cancellations",
            "set oms_status: {enabled: true} and unpause its DAG",
        )
    for name in sorted(set(names) & set(found)):
        yield ok(check, f"{name} is there; a file that {pipeline} did not write is never replaced")
