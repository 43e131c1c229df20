"""Doctor's checks of vendors outside the package: their folders, their modules, and what these import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from order_relay.airflow.doctor.checks import CheckResult, fail, ok, warn
from order_relay.vendors import VENDORS_VARIABLE, folder_problems, outside_vendors, vendor_module

_ENGINE = (
    "airflow",
    *(f"order_relay.{part}" for part in ("airflow", "cli", "endpoints", "ledger", "pipeline", "wiring")),
)
"""What a vendor's modules, other than ``endpoint``, must not import: these parts change."""


def vendor_folders() -> Iterator[CheckResult]:
    """Check the folders that ``ORDER_RELAY_VENDORS`` names; nothing if it is not set."""
    for problem in folder_problems():
        yield fail("vendors", problem, f"correct the environment variable {VENDORS_VARIABLE}")
    if not folder_problems():
        for name, folder in outside_vendors().items():
            yield from _vendor(name, folder)


def _vendor(name: str, folder: Path) -> Iterator[CheckResult]:
    check = f"vendor {name}"
    modules = [path for path in sorted(folder.glob("*.py")) if path.stem != "stand_in"]  # that is the sandbox's
    for path in modules:
        try:
            vendor_module(name, path.stem)
        except Exception as error:  # the module may raise anything
            yield fail(check, f"{path} cannot be imported: {type(error).__name__}: {error}", "correct it")
            return
    yield ok(check, f"loaded from {folder}")
    for path in modules:
        if path.stem != "endpoint" and (wrong := sorted(set(_engine_imports(path, name)))):
            yield warn(
                check,
                f"{path.name} imports {', '.join(wrong)}",
                "use order_relay.http and order_relay.orders only; other parts of the engine may change",
            )


def _engine_imports(path: Path, vendor: str) -> Iterator[str]:
    """Modules that a vendor's module imports but should not: parts of the engine, and other vendors."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), level=0, names=names):
                modules = [f"{module}.{alias.name}" for alias in names]
            case _:
                continue
        own = f"order_relay.vendors.{vendor}."
        for module in modules:
            others = module.startswith("order_relay.vendors.") and not f"{module}.".startswith(own)
            if others or f"{module}.".startswith(tuple(f"{part}." for part in _ENGINE)):
                yield module
