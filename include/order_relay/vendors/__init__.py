"""One folder for each vendor: client, schema, mapping. No vendor knows another.

A vendor is a folder with a declaration, ``VENDOR`` in its ``vendor.py``, here or in a folder that the environment
variable ``ORDER_RELAY_VENDORS`` names. Both are imported as ``order_relay.vendors.NAME``. What a vendor can do follows
from its declaration and the modules in its folder, so that a new vendor needs no edit elsewhere.
"""

from __future__ import annotations

import keyword
import os
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

from order_relay.errors import ConfigurationError
from order_relay.vendor import Vendor

VENDORS_VARIABLE = "ORDER_RELAY_VENDORS"
"""Environment variable with folders of vendors outside this package, separated by ``os.pathsep``."""

_NAME = re.compile(r"[a-z][a-z0-9]*")

__path__.extend(part for part in os.environ.get(VENDORS_VARIABLE, "").split(os.pathsep) if part)


def vendor_names(part: str = "vendor") -> list[str]:
    """The vendors whose folder has the module ``part``. Imports nothing."""
    folders = {path.parent.name for root in __path__ for path in Path(root).glob(f"*/{part}.py")}
    return sorted(filter(is_vendor_name, folders))


def vendor_module(vendor: str, part: str) -> ModuleType:
    """A module of a vendor's folder.

    Raises ``ConfigurationError`` if there is none, with the vendors that have one, and if ``ORDER_RELAY_VENDORS`` is
    invalid.
    """
    for problem in folder_problems():
        raise ConfigurationError(problem)
    available = vendor_names(part)
    if vendor not in available:
        what = f"vendor {vendor!r} has no {part}.py" if vendor in vendor_names() else f"unknown vendor {vendor!r}"
        raise ConfigurationError(f"{what}; available: {', '.join(available)}")
    return import_module(f"{__name__}.{vendor}.{part}")


def optional_module(vendor: str, part: str) -> ModuleType | None:
    """A module of a vendor's folder, or ``None`` if there is none of this name."""
    return vendor_module(vendor, part) if vendor in vendor_names(part) else None


def load_vendor(name: str) -> Vendor:
    """The declaration of a vendor. Raises the errors of ``vendor_module``."""
    declared: Vendor = vendor_module(name, "vendor").VENDOR
    return declared


def all_vendors() -> list[Vendor]:
    """The declarations of all vendors, by name."""
    return [load_vendor(name) for name in vendor_names()]


def system_title(name: str) -> str:
    """The title of the vendor with this name, or of the vendor of a status account; any other name as it is.

    Without the remark in parentheses that some titles have in Airflow's list of connection types.
    """
    vendor = name.partition("_")[0]
    if vendor not in vendor_names() or folder_problems():
        return name
    return load_vendor(vendor).title.partition(" (")[0]


def outside_vendors() -> dict[str, Path]:
    """The folders of vendors outside this package, by name."""
    folders = (path.parent for root in __path__[1:] for path in Path(root).glob("*/vendor.py"))
    return {folder.name: folder for folder in sorted(folders)}


def folder_problems() -> list[str]:
    """What is wrong with ``ORDER_RELAY_VENDORS``; empty if everything is right."""
    problems = []
    seen = {path.parent.name: path.parent for path in Path(__path__[0]).glob("*/vendor.py")}
    for root in map(Path, __path__[1:]):
        if not root.is_absolute():
            problems.append(f"{VENDORS_VARIABLE}: {str(root)!r} must be an absolute path")
        elif not root.is_dir():
            problems.append(f"{VENDORS_VARIABLE}: folder {str(root)!r} does not exist")
        for folder in sorted(path.parent for path in root.glob("*/vendor.py")):
            first = seen.setdefault(folder.name, folder)
            if first != folder:
                problems.append(f"{VENDORS_VARIABLE}: {folder}: the name is used by {first}; rename one of the folders")
            elif not is_vendor_name(folder.name):
                problems.append(
                    f"{VENDORS_VARIABLE}: {folder}: a vendor's name consists of lower-case letters and digits and "
                    "starts with a letter, such as 'myshop'"
                )
    return problems


def is_vendor_name(name: str) -> bool:
    """Whether a folder of this name can be a vendor: it becomes part of module names, pipeline names and URLs."""
    return _NAME.fullmatch(name) is not None and not keyword.iskeyword(name)
