"""All of doctor's checks, in the order in which an operator should fix what they find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from order_relay import COMMAND
from order_relay.airflow.doctor import airflow_state, endpoints, status_accounts, storage, vendor_folders
from order_relay.airflow.doctor.checks import CheckResult, Severity, ok, run_guarded
from order_relay.airflow.installation import Installation

_FIX_CONNECTION = "edit this connection (Admin > Connections, or AIRFLOW_CONN_...)"


def run_checks(
    installation: Installation, pipeline: str | None, *, vendors: bool, accounting: bool = True, schemas: bool = False
) -> Iterator[CheckResult]:
    """Run all checks; results are yielded as they become available.

    ``vendors``: query them, read-only. ``accounting``: check the whole ledger, which reads every order. ``schemas``:
    compare the schemas that vendors publish with ours, and with what was sent.
    """
    advice = "set ORDER_RELAY_CONFIG to the folder with your pipeline files"
    yield from run_guarded("pipelines", advice, partial(storage.pipelines, installation))
    yield from run_guarded(
        "ledger",
        f"run `{COMMAND} ledger migrate`, or edit connection order_relay_ledger",
        partial(storage.ledger, installation, whole=accounting),
    )
    yield from run_guarded(
        "batch store", "edit Variable order_relay_batches or its connection", partial(storage.store, installation)
    )
    yield from run_guarded("stop switch", "set it to 'false'", partial(airflow_state.stop_switch, installation))
    yield from run_guarded("DAGs", "see above", partial(_dags, installation))
    yield from airflow_state.lineage()
    yield from run_guarded("alerts", "edit connection order_relay_alerts", partial(storage.alerts, installation))
    yield from vendor_folders.vendor_folders()
    yield from run_guarded("endpoints", "see above", partial(endpoints.check_endpoints, installation, _FIX_CONNECTION))
    if vendors:
        yield from run_guarded(
            "pipelines", "see above", partial(_vendor_checks, installation, pipeline, schemas=schemas)
        )
        yield from run_guarded("status accounts", "see above", partial(status_accounts.status_accounts, installation))


def _dags(installation: Installation) -> Iterator[CheckResult]:
    """DAGs that send nothing, and those of the pipelines and status accounts in use."""
    from order_relay.airflow.doctor import vendor_probes  # imports the ledger, which other commands may not need

    used = [name for name in sorted(installation.pipelines) if vendor_probes.in_use(installation, name)]
    yield from airflow_state.dags(installation, [*used, *status_accounts.in_use(installation)])


def _vendor_checks(installation: Installation, pipeline: str | None, *, schemas: bool) -> Iterator[CheckResult]:
    """Each vendor account of the pipelines once, then the consistency of each pipeline's mappings."""
    from order_relay.airflow.doctor import portal, published_schemas, vendor_probes  # import the ledger, see above

    seen: set[str] = set()
    named = installation.chosen(pipeline)
    valid = [name for name in sorted(installation.pipelines) if storage.is_valid(installation, name)]
    used = named or [name for name in valid if vendor_probes.in_use(installation, name)]
    for name in used or valid:
        settings = installation.pipelines[name]
        sides = (
            (settings.source, vendor_probes.source_checks),
            (settings.destination, vendor_probes.destination_checks),
        )
        for party, examine in sides:
            if repr(party) not in seen:
                seen.add(repr(party))
                yield from run_guarded(
                    f"connection {party.connection}", _FIX_CONNECTION, partial(examine, installation, name)
                )
        yield from run_guarded(f"pipeline {name}", "edit its file", partial(vendor_probes.mapping, installation, name))
        if settings.portal_files.enabled:
            advice = "edit portal_files or its connection"
            yield from run_guarded(f"portal of {name}", advice, partial(portal.portal_files, installation, name))
    destinations = {repr(installation.pipelines[name].destination): name for name in used or valid}
    for name in destinations.values() if schemas else ():
        check = partial(published_schemas.schema_checks, installation, name)
        yield from run_guarded(f"schemas of {installation.pipelines[name].destination.connection}", "see above", check)
    for name in sorted(set(valid) - set(used)) if used and not named else ():
        connection = installation.pipelines[name].source.connection
        yield ok(f"pipeline {name}", f"not in use: never ran, and connection {connection!r} is not defined")


def skip_repeated_causes(findings: Iterable[CheckResult]) -> Iterator[CheckResult]:
    """Report each cause once: a check that fails for the same reason as an earlier one becomes ``skip``."""
    causes: dict[str, str] = {}
    for finding in findings:
        earlier = causes.get(finding.found) if finding.level is Severity.FAIL else None
        if earlier is not None and earlier != finding.check:
            yield CheckResult(Severity.SKIP, finding.check, f"not checked: same cause as {earlier!r}")
            continue
        if finding.level is Severity.FAIL:
            causes.setdefault(finding.found, finding.check)
        yield finding
