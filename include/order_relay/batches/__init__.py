"""Manifest and batch store: atomic, checksummed objects under one root."""

from order_relay.batches.manifest import Manifest
from order_relay.batches.objects import ArchiveRemoved, BatchDamaged, ObjectInfo, StoreUnavailable
from order_relay.batches.store import BatchStore
from order_relay.batches.writer import BatchReader, BatchWriter, batch_prefix

__all__ = [
    "ArchiveRemoved",
    "BatchDamaged",
    "BatchReader",
    "BatchStore",
    "BatchWriter",
    "Manifest",
    "ObjectInfo",
    "StoreUnavailable",
    "batch_prefix",
]
