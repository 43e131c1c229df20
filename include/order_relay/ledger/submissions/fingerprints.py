"""Content fingerprints computed with other settings than the current ones (see ``orders.mapping.content_hash``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from order_relay.ledger.schema.operator_tables import correction
from order_relay.ledger.schema.source_tables import content_reading
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, inserts, reads, writes
from order_relay.orders.mapping.content_hash import settled_hash

_later = submission.alias("later")
_UPDATE = (
    submission.update()
    .where(submission.c.id == sa.bindparam("b_id"), submission.c.content_hash == sa.bindparam("b_old"))
    .values(content_hash=sa.bindparam("content_hash"))
)
_CORRECTED = sa.select(correction.c.submission_id).distinct().where(among(correction.c.submission_id, "ids"))
_KEEP_CORRECTIONS = (
    correction.update()
    .where(correction.c.submission_id == sa.bindparam("b_id"), correction.c.content_hash == sa.bindparam("b_old"))
    .values(content_hash=sa.bindparam("b_new"))
)


@dataclass(frozen=True, slots=True)
class OutdatedFingerprint:
    """The newest edition of a source id, the place of its raw order, and its fingerprint of another reading."""

    id: int
    source_id: str
    batch_id: str
    part: int
    row: int
    content_hash: str


class Fingerprints(Repository):
    """Content fingerprints, and the readings (sets of paths) that they cover."""

    @reads
    def readings(self, tx: Transaction) -> dict[str, str]:
        """The paths of every reading in use, by reading."""
        return {row.reading: row.paths for row in tx.run(sa.select(content_reading))}

    def save_reading(self, reading: str, paths: str) -> None:
        """Store the paths of a reading, so that its fingerprints can be computed for other documents later."""
        if reading not in self.readings():
            self._save_reading(reading, paths)

    @inserts
    def _save_reading(self, tx: Transaction, reading: str, paths: str) -> None:
        """See ``save_reading``."""
        known = sa.exists().where(content_reading.c.reading == reading)
        if not tx.run(sa.select(known)).scalar():
            tx.run(content_reading.insert(), {"reading": reading, "paths": paths})

    @reads
    def outdated(
        self, tx: Transaction, name: str, source_ids: Iterable[str], reading: str
    ) -> list[OutdatedFingerprint]:
        """Those of these source ids whose fingerprint is of another reading."""
        query = (
            sa.select(*[submission.c[name] for name in OutdatedFingerprint.__dataclass_fields__])
            .where(
                submission.c.pipeline == name,
                among(submission.c.source_id, "keys"),
                ~submission.c.content_hash.startswith(f"{reading}-"),
                ~sa.exists().where(
                    _later.c.pipeline == name,
                    _later.c.source_id == submission.c.source_id,
                    _later.c.edition > submission.c.edition,
                ),
            )
            .order_by(submission.c.id)
        )
        return [OutdatedFingerprint(*tuple(row)) for row in tx.run(query, {"keys": list(source_ids)})]

    def replace_outdated(self, found: Mapping[int, tuple[str, str]]) -> int:
        """Replace outdated fingerprints of the same content: (old, new) by submission; returns their number.

        This is not a decision about the order, so its revision and events do not change. Its corrections still apply.
        """
        return self._replace_outdated(found) if found else 0

    @writes
    def _replace_outdated(self, tx: Transaction, found: Mapping[int, tuple[str, str]]) -> int:
        """See ``replace_outdated``."""
        corrected = tx.run(_CORRECTED, {"ids": sorted(found)}).scalars().all()
        tx.many(
            _KEEP_CORRECTIONS,
            [
                {"b_id": number, "b_old": settled_hash(found[number][0]), "b_new": settled_hash(found[number][1])}
                for number in corrected
            ],
        )
        return tx.many(
            _UPDATE,
            [{"b_id": number, "b_old": old, "content_hash": new} for number, (old, new) in sorted(found.items())],
        )
