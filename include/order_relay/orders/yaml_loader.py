"""The safe YAML loader: the one written in C where PyYAML has it, which takes a tenth of the time.

DAG files are parsed over and over, and each reads settings; so do the tasks.
"""

from __future__ import annotations

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]

__all__ = ["SafeLoader"]
