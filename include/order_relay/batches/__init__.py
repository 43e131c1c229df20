"""Manifest and batch store: atomic, checksummed objects under one root."""

from order_relay.batches.manifest import Manifest
from order_relay.batches.objects import ArchiveRemovedError, DamagedBatchError, ObjectInfo, StoreUnavailableError
from order_relay.batches.store import BatchStore
from order_relay.batches.writer import BatchReader, BatchWriter, batch_prefix

__all__ = [
    "ArchiveRemovedError",
    "BatchReader",
    "BatchStore",
    "BatchWriter",
    "DamagedBatchError",
    "Manifest",
    "ObjectInfo",
    "StoreUnavailableError",
    "batch_prefix",
]
