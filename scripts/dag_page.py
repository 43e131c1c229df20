"""Writes docs/dags.md, the page of all DAGs, from the DAGs themselves. With --check it only compares."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import local

if TYPE_CHECKING:
    from airflow.sdk import DAG

PAGE = local.ROOT / "docs" / "dags.md"
HEAD = """# The DAGs

This page is made from the DAGs by `make docs`; `make test` fails where it is out of date. A further pipeline file in
`include/config/` makes a further DAG of the same kind, with the file's name.
"""


def main() -> int:
    """Write or check the page; 1 where a DAG can not be read or the page is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where the page is not current")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = page(dags(Path(folder)))
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("docs/dags.md is out of date: run `make docs`\n")
    return 1


def dags(home: Path) -> list[DAG]:
    """All DAGs of this checkout, by name, read in an Airflow of their own."""
    wanted = local.environment(home)
    os.environ.update({name: value for name, value in wanted.items() if name.startswith("AIRFLOW_")})
    os.environ.pop("ORDER_RELAY_CONFIG", None)
    logging.disable(logging.INFO)
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415 - the settings above have to stand first

    bag = DagBag(dag_folder=str(local.ROOT / "dags"), bundle_path=local.ROOT / "dags", bundle_name="docs")
    if bag.import_errors:
        raise SystemExit("\n".join(f"{file}: {error}" for file, error in bag.import_errors.items()))
    return [bag.dags[name] for name in sorted(bag.dags)]


def page(found: Iterable[DAG]) -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(dag) for dag in found)])


def section(dag: DAG) -> str:
    """One DAG: its schedule, its tasks, its form, and what its author says."""
    lines = [f"## {dag.dag_id}", "", f"Schedule: {schedule(dag)} · active runs: {dag.max_active_runs}", ""]
    lines += [f"Tasks: {' → '.join(name(task) for task in dag.topological_sort())}", ""]
    if dag.params:
        lines += ["| param | default | what it does |", "|---|---|---|"]
        for key in dag.params:
            param = dag.params.get_param(key)
            lines.append(f"| `{key}` | `{default(param.value)}` | {param.description or ''} |")
        lines.append("")
    return "\n".join([*lines, (dag.doc_md or "").strip(), ""])


def schedule(dag: DAG) -> str:
    """The schedule in words that a person can check against the pipeline file."""
    expression = getattr(dag.timetable, "expression", None)
    return f"`{expression}` (UTC)" if expression else "only when triggered"


def name(task: object) -> str:
    """A task's name; mapped ones are marked."""
    mapped = type(task).__name__ == "MappedOperator" or hasattr(task, "expand_input")
    return f"`{getattr(task, 'task_id', '')}`" + (" (one a chunk)" if mapped else "")


def default(value: object) -> str:
    """A default value as it is typed into the form."""
    if isinstance(value, list):
        return "[]"
    # A param without a default holds Airflow's marker for "not set".
    known = {"None": "empty", "False": "false", "True": "true", "NOTSET": "none: has to be given"}
    return known.get(str(value), str(value))


if __name__ == "__main__":
    sys.exit(main())
