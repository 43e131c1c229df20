"""The safe YAML loader: the C implementation if PyYAML has it, which takes a tenth of the time.

Airflow parses DAG files repeatedly, and each of them reads settings, as does every task.
"""

from __future__ import annotations

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]

__all__ = ["SafeLoader"]
