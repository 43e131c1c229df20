"""Output of commands: tables, fields and JSON. Control characters are replaced before they reach the terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from textwrap import wrap
from typing import Any, TextIO

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from order_relay.orders.table_cells import printable

EXIT_PROBLEM = 1
EXIT_USAGE = 2

LINE_WIDTH = 80
"""Columns of wrapped text."""

# Wide enough that no cell is wrapped or truncated when the output is a file or a pipe.
_PIPED_WIDTH = 100_000


_output: TextIO | None = None


def output_stream() -> TextIO:
    """Standard output, also after ``reserve_stdout``."""
    return _output or sys.stdout


def reserve_stdout() -> None:
    """Keep standard output for this module and redirect everything else to standard error.

    Airflow logs to standard output, which would corrupt JSON read by another program.
    """
    global _output  # noqa: PLW0603 - one per process
    if _output is None:
        sys.stdout.flush()
        _output = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
        os.dup2(2, 1)


def _plain(value: Any) -> Any:
    """Convert types that JSON does not support; raises ``TypeError`` for unknown ones."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")


def print_json(data: Any) -> None:
    """Print one JSON document and a newline. ASCII only, for terminals and pipes of any encoding."""
    output_stream().write(json.dumps(data, indent=2, default=_plain) + "\n")


def _console() -> Console:
    console = Console(file=output_stream())
    return console if console.is_terminal else Console(file=output_stream(), width=_PIPED_WIDTH)


def print_line(text: str = "", style: str = "") -> None:
    """Print one line; rich markup in ``text`` is not interpreted."""
    _console().print(Text(text, style=style), soft_wrap=True)


def print_wrapped(text: str, *, first: str = "", indent: int = 0) -> None:
    """Print ``text`` on lines of at most 80 columns, if its words allow; nothing if it is empty.

    The first line begins with ``first``; the others are indented as far, or by ``indent`` columns.
    """
    before = first or " " * indent
    lines = wrap(printable(text), max(20, LINE_WIDTH - len(before)), break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        print_line((before if number == 0 else " " * len(before)) + line)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table, limited to the terminal's width if there is a terminal."""
    console = _console()
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)


def print_fields(fields: Mapping[str, Any], indent: int = 0) -> None:
    """Print one name and value per line; empty values are omitted."""
    shown = {name: printable(value) for name, value in fields.items() if value not in (None, "", [], {})}
    width = max((len(name) for name in shown), default=0)
    for name, text in shown.items():
        print_line(f"{' ' * indent}{name:<{width}}  {text}")


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error, on terminals only. Yields a function that advances it.

    ``total`` is ``None`` if the number is unknown.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


def problem_exit() -> typer.Exit:
    """The exception to raise for exit code 1."""
    return typer.Exit(EXIT_PROBLEM)
