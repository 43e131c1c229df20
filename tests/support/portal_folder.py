"""A sales portal's folder as an ``UploadServer``: files in a local folder, with switches for what a portal may do."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from order_relay.errors import TransientError
from order_relay.pipeline.fulfilment.status_fetch import FileSkipped, RemoteFile


@dataclass
class PortalFolder:
    """``rename``: ``works``, ``refused``, ``lost`` (done, but the connection breaks before the answer), ``misreported``
    (done, but answered as refused). ``takes``: the portal takes a file as soon as it appears."""

    folder: Path
    rename: str = "works"
    takes: bool = False
    tables: dict[str, list[list[dict[str, str]]]] = field(default_factory=dict)

    def files(self) -> Sequence[RemoteFile]:
        return [RemoteFile(path.name, path.stat().st_size, "") for path in sorted(self.folder.iterdir())]

    def read(self, file: RemoteFile, limit: int) -> bytes:
        return (self.folder / file.name).read_bytes()[: limit + 1]

    def delete(self, file: RemoteFile) -> None:
        try:
            (self.folder / file.name).unlink()
        except FileNotFoundError:
            raise FileSkipped("no such file") from None

    def write(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)

    def move(self, file: RemoteFile, folder: str, name: str) -> None:
        source, target = self.folder / file.name, self.folder / name
        if self.rename == "refused" or target.exists() or not source.exists():
            raise FileSkipped("refused")
        source.rename(target)
        if self.rename == "lost":
            raise TransientError("the connection broke")
        if self.rename == "misreported":
            raise FileSkipped("failure")
        if self.takes:
            self.take()

    def take(self) -> None:
        """Import and remove every file, as the portal does."""
        for path in sorted(self.folder.glob("*.csv")):
            self.tables.setdefault(path.name, []).append(rows(path.read_bytes()))
            path.unlink()

    def content(self, name: str) -> list[dict[str, str]]:
        return rows((self.folder / name).read_bytes())

    def orders(self) -> dict[str, str]:
        """The status of every order at the portal: of equal or older states nothing is applied."""
        known: dict[str, tuple[int, str]] = {}
        for table in self.tables.get("order_data.csv", []):
            for row in table:
                stamp = int(row["LastModifiedAt"] or 0)
                if stamp and stamp > known.get(row["OrderNumber"], (0, ""))[0]:
                    known[row["OrderNumber"]] = (stamp, row["Status"])
        return {number: status for number, (_, status) in known.items()}


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))
