"""``doctor``: check every connection and setting."""

from __future__ import annotations

from typing import Annotated

import typer

from order_relay.airflow.doctor.checks import CheckResult, Severity
from order_relay.airflow.doctor.findings import run_checks, skip_repeated_causes
from order_relay.airflow.installation import Installation
from order_relay.cli.output import print_json, print_line, problem_exit

_STYLES = {Severity.OK: "green", Severity.SKIP: "dim", Severity.WARN: "yellow", Severity.FAIL: "bold red"}


def doctor(
    pipeline: Annotated[str | None, typer.Option(help="Check only the vendors of this pipeline.")] = None,
    vendors: Annotated[
        bool, typer.Option("--vendors/--no-vendors", help="Also query the vendors; read-only, acknowledges nothing.")
    ] = True,
    schemas: Annotated[
        bool, typer.Option("--schemas", help="Also compare the schemas that the vendors publish with ours.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Check every connection and setting. Exit code 1 if a run would fail."""
    findings: list[CheckResult] = []
    for finding in skip_repeated_causes(run_checks(Installation(), pipeline, vendors=vendors, schemas=schemas)):
        findings.append(finding)
        if not as_json:
            _show(finding)
    failed = sum(finding.level is Severity.FAIL for finding in findings)
    warned = sum(finding.level is Severity.WARN for finding in findings)
    if as_json:
        print_json({"ok": not failed, "errors": failed, "warnings": warned, "findings": findings})
    else:
        print_line(f"{_count(failed, 'error')}, {_count(warned, 'warning').lower()}", "bold red" if failed else "")
    if failed:
        raise problem_exit()


def _count(of: int, what: str) -> str:
    return f"{of or 'No'} {what}{'' if of == 1 else 's'}"


def _show(finding: CheckResult) -> None:
    advice = f" -> {finding.advice}" if finding.advice else ""
    print_line(f"{finding.level.value:<4}  {finding.check}: {finding.found}{advice}", _STYLES[finding.level])
