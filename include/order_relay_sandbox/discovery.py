"""The stand-ins, found by folder: ``NAME/stand_in.py`` here and in the folders of ``ORDER_RELAY_VENDORS``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from zlib import crc32

from order_relay_sandbox.stand_in import Role, StandIn

FOLDERS = "ORDER_RELAY_VENDORS"
"""Environment variable: folders that hold vendor folders, separated by ``os.pathsep``."""

_HERE = Path(__file__).parent


def stand_ins() -> dict[str, type[StandIn[Any]]]:
    """Every stand-in by name: the default source and destination first, then alphabetically.

    Raises ``ValueError`` for two of the same name, one whose name is not its folder's, and a missing folder.
    """
    found: dict[str, type[StandIn[Any]]] = {}
    extra = [Path(folder) for folder in os.environ.get(FOLDERS, "").split(os.pathsep) if folder]
    if missing := [str(folder) for folder in extra if not folder.is_dir()]:
        raise ValueError(f"{FOLDERS}: folder not found: {', '.join(missing)}")
    for file in [file for folder in (_HERE, *extra) for file in sorted(folder.glob("*/stand_in.py"))]:
        declared = _load(file.resolve())
        if declared.name != file.parent.name or declared.name in found:
            raise ValueError(f"{file}: name {declared.name!r} must be its folder's, and unique among the stand-ins")
        found[declared.name] = declared
    return dict(sorted(found.items(), key=lambda entry: (not entry[1].by_default, entry[0])))


def with_role(role: Role) -> tuple[str, ...]:
    """Names of the stand-ins that have this role."""
    return tuple(name for name, declared in stand_ins().items() if role in declared.roles)


@cache
def _load(file: Path) -> type[StandIn[Any]]:
    own = file.is_relative_to(_HERE)
    module = importlib.import_module(f"{__package__}.{file.parent.name}.stand_in") if own else _by_path(file)
    declared: type[StandIn[Any]] = module.STAND_IN
    return declared


def _by_path(file: Path) -> ModuleType:
    """Load a stand-in outside the package. Its relative imports find the modules of its folder."""
    name = f"order_relay_stand_in_{file.parent.name}_{crc32(bytes(file)):08x}"
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[str(file.parent)])
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {file}")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
