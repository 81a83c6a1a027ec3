"""Checks the records of a frame, on both cores, each distinct byte string once while it is remembered.

Decides whether bytes are a record for anybody; never whether the daemon takes it. Not safe for several threads at once.
Spec: 03-mesh, MSH-9.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b

from protocol.errors import Ignore, Reject
from protocol.identity import verify
from protocol.record.record import Record

SEEN_MAX = 1 << 15  # (g) verified records remembered, about 5 MB
_ALONE_MAX = 8  # (g) signatures that are checked sooner than another thread begins


class Verifier:
    """Remembers what it has verified."""

    def __init__(self, network: bytes) -> None:
        self._network = network
        self._seen: dict[bytes, None] = {}
        self._helper = ThreadPoolExecutor(1, "signatures")  # libsodium runs without the interpreter's lock

    def check_all(self, raws: Sequence[bytes]) -> None:
        """Raises Reject when one is a record for nobody; what is merely to be ignored passes (MSH-9)."""
        # The key covers every byte: a known id says nothing about another signature or body under the same header.
        fresh = {key: raw for raw in raws if (key := blake2b(raw, digest_size=16).digest()) not in self._seen}
        signed: list[Record] = []
        for raw in fresh.values():
            try:
                signed.append(Record.parse(raw, self._network, verified=True))
            except Ignore:  # that verdict is the daemon's, which answers with its code
                with suppress(Ignore):
                    Record.parse(raw, self._network)
        half = len(signed) // 2 if len(signed) > _ALONE_MAX else 0
        other = self._helper.submit(_verify, signed[:half]) if half else None
        try:
            _verify(signed[half:])
        finally:
            if other is not None:
                other.result()
        self._seen.update(dict.fromkeys(fresh))
        for _ in range(len(self._seen) - SEEN_MAX):
            del self._seen[next(iter(self._seen))]

    def __len__(self) -> int:
        return len(self._seen)


def _verify(records: Sequence[Record]) -> None:
    for record in records:
        if not verify(record.author, record.header.signature, record.id):
            raise Reject("REC-6", "signature: does not verify")
