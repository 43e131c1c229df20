"""The limits of the package's structure (docs/decisions/0019-folders-by-capability.md)."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

import order_relay
import order_relay_contract
import order_relay_sandbox
from order_relay.vendors import vendor_names

PRODUCT, SANDBOX = (Path(package.__path__[0]) for package in (order_relay, order_relay_sandbox))
CONTRACT = Path(order_relay_contract.__path__[0])
MODULES = [path for package in (PRODUCT, SANDBOX, CONTRACT) for path in package.rglob("*.py")]
MAX_LINES = 320
MAX_MODULES = 12
MAX_MODULES_OF = {"cli": 15, "versions": 1_000}
"""Folders with limits of their own. The ledger's migrations are one file for each change of its schema."""


NAMES_OF_VENDORS = {
    # corrects data of one vendor's orders that an earlier version wrote; migrations are never changed
    "order_relay/ledger/store/migrations/versions/v0012_parcels_and_numbers.py",
}
"""Modules outside the vendors' folders that name one."""

BRANDS = {"acommerce", "cloudsuite", "shiprush", "shopatron", "supercat"}
"""Names that are not ordinary words, as ``shop`` would be: not even comments elsewhere name these vendors."""


def name(path: Path) -> str:
    return str(path.relative_to(PRODUCT.parent))


def test_no_module_is_too_long() -> None:
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > MAX_LINES} == {}


def test_no_folder_holds_too_many_modules() -> None:
    counts = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert {
        name(folder): count for folder, count in counts.items() if count > MAX_MODULES_OF.get(folder.name, MAX_MODULES)
    } == {}


def test_public_classes_have_one_name_each() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in PRODUCT.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name(path))
    assert {found: modules for found, modules in places.items() if len(modules) > 1} == {}


def test_module_names_repeat_at_most_twice() -> None:
    """Vendor folders have fixed names; ``tasks`` and ``jobs`` have a module for each DAG."""
    names = Counter(
        path.stem
        for path in PRODUCT.rglob("*.py")
        if path.name != "__init__.py" and "vendors" not in path.parts and path.parent.name not in {"tasks", "jobs"}
    )
    assert {found: count for found, count in names.items() if count > 2} == {}


def test_a_vendor_is_named_in_its_own_folder_only() -> None:
    """A new vendor is found by its folder: nothing else names one."""
    found = set()
    for vendor in vendor_names():
        brand = vendor in BRANDS
        pattern = re.compile(vendor if brand else rf"""["']{vendor}["']|\bvendors\.{vendor}\b""", re.IGNORECASE)
        own = PRODUCT / "vendors" / (vendor if brand else "")
        others = [path for path in PRODUCT.rglob("*.py") if own not in path.parents]
        found |= {name(path) for path in others if pattern.search(path.read_text(encoding="utf-8"))}
    assert found == NAMES_OF_VENDORS
