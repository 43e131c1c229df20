"""Doctor's checks of status accounts: file, connection, credentials and reading of statuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from order_relay import COMMAND
from order_relay.airflow.doctor.checks import CheckResult, ok, run_guarded, warn
from order_relay.errors import ConfigurationError
from order_relay.vendors import vendor_module, vendor_names

if TYPE_CHECKING:
    from order_relay.airflow.installation import Installation
    from order_relay.pipeline.settings.sections import FetchSettings
    from order_relay.pipeline.settings.status_account import MailSettings


def status_accounts(installation: Installation) -> Iterator[CheckResult]:
    """Check every account that has a file; those without a defined connection are reported as not in use."""
    from order_relay.pipeline.settings.pipeline import status_files

    for name in status_files():
        yield from run_guarded(
            f"status account {name}", "edit its file or its connection", partial(_account, installation, name)
        )


def in_use(installation: Installation) -> list[str]:
    """The status accounts whose connection is defined."""
    from order_relay.pipeline.settings.pipeline import status_files
    from order_relay.pipeline.settings.status_account import load_status

    found = []
    for name in status_files():
        with suppress(ConfigurationError):  # reported by its own check
            installation.connection(load_status(name).source.connection)
            found.append(name)
    return found


def _account(installation: Installation, name: str) -> Iterator[CheckResult]:
    from order_relay.orders.fulfilment.status_events import Channel
    from order_relay.pipeline.settings.status_account import load_status
    from order_relay.wiring.statuses import StatusWiring

    check, settings = f"status account {name}", load_status(name)
    try:
        connection = installation.connection(settings.source.connection)
    except ConfigurationError:
        yield ok(check, f"not in use: connection {settings.source.connection!r} is not defined")
        return
    with StatusWiring(
        settings, installation.connection, installation.ledger_url, *installation.store_location
    ) as wiring:
        ours = wiring.ours
        page = next(wiring.source.changed(datetime.now(UTC) - timedelta(minutes=1)), None)
        found = wiring.reader.read(page, Channel.POLL) if page else None
    refused = len(found.rejected) if found else 0
    yield ok(check, f"statuses can be read; matched to orders of {len(ours.pipelines)} pipelines by {ours.column}")
    if refused:
        yield warn(check, f"{refused} of the newest records cannot be used", "compare their field names with `mapping`")
    if settings.source.vendor in vendor_names("webhooks"):
        try:
            vendor_module(settings.source.vendor, "webhooks").open_webhooks(connection).close()
        except ConfigurationError as error:
            yield warn(check, f"webhooks are refused: {error}", f"set it and run `{COMMAND} hook register URL`")
    if settings.files.fetch:
        examine = partial(_files, check, settings.files.fetch)
        yield from run_guarded(check, "edit files.fetch or its connection", examine)
    if settings.files.mail:
        yield from run_guarded(check, "edit files.mail or its connection", partial(_mail, check, settings.files.mail))


def _mail(check: str, mail: MailSettings) -> Iterator[CheckResult]:
    from order_relay.airflow.incoming.mailbox import open_mailbox

    with open_mailbox(mail) as mailbox:
        found = sum(1 for _ in mailbox.messages(mail.senders))
    yield ok(check, f"mail can be fetched: {mail.connection} holds {found} new messages of the senders")


def _files(check: str, fetch: FetchSettings) -> Iterator[CheckResult]:
    from order_relay.airflow.incoming.remote_files import open_file_server

    with open_file_server(fetch.connection, fetch.folder) as server:
        found = len(server.files())
    yield ok(check, f"files can be fetched: {fetch.connection} lists {found}")
