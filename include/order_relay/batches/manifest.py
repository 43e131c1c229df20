"""What one stage hands to the next: which objects, how many records, what they must sum to. Never the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class Manifest:
    """A pointer to stored records, small enough for an XCom (flat, under 2 kB, no customer's data).

    ``name`` is the prefix of the objects under the store's root, ``bytes`` their compressed size together, ``sha256``
    the sum of ``manifest.json`` (which holds the sum of every part), or of the one object that ``name`` is.
    """

    kind: str
    pipeline: str
    name: str = ""
    records: int = 0
    parts: int = 0
    sha256: str = ""
    bytes: int = 0

    @property
    def batch_id(self) -> str:
        """The batch that a manifest of kind ``batch`` points to; empty where it points to none."""
        return self.name.rpartition("/")[2]

    def as_xcom(self) -> dict[str, str | int]:
        """A flat dict of texts and integers."""
        return asdict(self)

    @classmethod
    def from_xcom(cls, value: Mapping[str, str | int]) -> Manifest:
        """The manifest that ``as_xcom`` gave; members it does not know are ignored, so that stages may add counts."""
        known = {f.name for f in fields(cls)}
        return cls(**{key: item for key, item in value.items() if key in known})  # type: ignore[arg-type]
