"""The node's disk: a log of records that only grows at its end, and the few facts that never leave home."""

from node.store.errors import StoreAway, StoreError, StoreFull
from node.store.lock import HomeLock
from node.store.log import Held, Pruned, Report, Store

__all__ = ["Held", "HomeLock", "Pruned", "Report", "Store", "StoreAway", "StoreError", "StoreFull"]
