"""Backup and restore of the ledger.

Two formats, recognized by their first bytes. A **SQLite file**, made by SQLite's online backup API while the ledger
stays in use; SQLite ledgers only. A **portable dump**, which either kind of database can write and restore: gzip, one
JSON value per line, first a header with the revision, then the rows table by table from one snapshot, last a checksum.

Neither a backup nor its memory grows with what it blocks: nothing waits for a backup, and rows are streamed. A backup
contains personal data, as the ledger does; the file is readable by its owner only.
"""

from order_relay.ledger.backups.backup import back_up
from order_relay.ledger.backups.restore import restore

__all__ = ["back_up", "restore"]
