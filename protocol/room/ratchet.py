"""What is said in one epoch of a room: a key for each message of each sender, and none leads back to an earlier one.

Decides keys, padding and ciphers; never who is in the room. `Epoch.protect` and `Epoch.unprotect` are named and shaped
like those of MLS (RFC 9420), so that MLS can take this file's place. Spec: 11-room, ROO-8 to ROO-11.
"""

from __future__ import annotations

import hashlib
import hmac

from protocol.errors import Reject
from protocol.identity import decrypt, encrypt
from protocol.params import EPOCH_INDEX_MAX, ROOM_SIZES

_LENGTH_BYTES = 4
CONTENT_BYTES_MAX = ROOM_SIZES[-1] - _LENGTH_BYTES


def first_chain(secret: bytes, epoch: bytes, sender: bytes) -> bytes:
    """A sender's chain at index 0 of the epoch with this record id (ROO-8)."""
    return _derive(secret, b"wltm.room.chain", epoch + sender)


def next_chain(chain: bytes) -> bytes:
    """The chain at the next index (ROO-8)."""
    return _derive(chain, b"wltm.room.next", b"")


def padded(content: bytes) -> bytes:
    """The content with its length in front, filled up with zeros to a size class; raises Reject ROO-9."""
    for size in ROOM_SIZES:
        if _LENGTH_BYTES + len(content) <= size:
            return (len(content).to_bytes(_LENGTH_BYTES, "big") + content).ljust(size, b"\0")
    raise Reject("ROO-9", f"content: {len(content)} bytes, at most {CONTENT_BYTES_MAX} are sealed at once")


def seal_message(chain: bytes, context: bytes, content: bytes) -> tuple[bytes, bytes]:
    """(tag, cipher) of a content under the chain at its index.

    The key follows from the chain and from the content by the tag: who uses an index twice, as a restored backup may,
    has two keys for two contents, and for one content says the same thing again (ROO-10).
    """
    data = padded(content)
    tag = _derive(chain, b"wltm.room.tag", context + data)
    return tag, encrypt(data, _derive(chain, b"wltm.room.key", tag), context)


def open_message(chain: bytes, context: bytes, tag: bytes, cipher: bytes) -> bytes:
    """The content; raises Reject ROO-11, or IDN-9 when it is not of this chain and context."""
    data = decrypt(cipher, _derive(chain, b"wltm.room.key", tag), context)
    size = int.from_bytes(data[:_LENGTH_BYTES], "big")
    content = data[_LENGTH_BYTES : _LENGTH_BYTES + size]
    if size > CONTENT_BYTES_MAX or padded(content) != data:
        raise Reject("ROO-11", "cipher: its content is not filled up to its size class with zeros")
    if not hmac.compare_digest(tag, _derive(chain, b"wltm.room.tag", context + data)):
        raise Reject("ROO-11", "tag: not that of the content")
    return content


class Epoch:
    """One epoch as those in it hold it: its record's id and its secret, with the chains as far as they were walked."""

    def __init__(self, epoch: bytes, secret: bytes) -> None:
        self.epoch, self.secret = epoch, secret
        self._chains: dict[bytes, tuple[int, bytes]] = {}  # sender -> newest index walked to, and the chain there

    def protect(self, sender: bytes, index: int, content: bytes) -> tuple[bytes, bytes]:
        """(tag, cipher) of what a sender says as number `index`; raises Reject ROO-9."""
        return seal_message(self.chain(sender, index), self._context(sender, index), content)

    def unprotect(self, sender: bytes, index: int, tag: bytes, cipher: bytes) -> bytes:
        """What a sender said; raises Reject ROO-11 or IDN-9."""
        return open_message(self.chain(sender, index), self._context(sender, index), tag, cipher)

    def chain(self, sender: bytes, index: int) -> bytes:
        """A sender's chain at an index, 0 to EPOCH_INDEX_MAX."""
        if not 0 <= index <= EPOCH_INDEX_MAX:
            raise Reject("ROO-8", f"index: from 0 to {EPOCH_INDEX_MAX}")
        at, chain = self._chains.get(sender, (index + 1, b""))
        if at > index:
            at, chain = 0, first_chain(self.secret, self.epoch, sender)
        for _ in range(at, index):
            chain = next_chain(chain)
        self._chains[sender] = index, chain
        return chain

    def _context(self, sender: bytes, index: int) -> bytes:
        return self.epoch + sender + index.to_bytes(8, "big")


def _derive(key: bytes, person: bytes, data: bytes) -> bytes:
    return hashlib.blake2b(data, key=key, digest_size=32, person=person).digest()
