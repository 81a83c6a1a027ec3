"""Sealing to several keepers at once: any `threshold` of them open it together, fewer learn nothing.

Decides how a content is shared out, which share is good and what good shares amount to; never who the keepers are nor
when they speak. For quotations, ballots, or whatever else is to stay closed until enough say so.
Spec: 02-identity, IDN-14 to IDN-18.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from protocol.encoding import digest
from protocol.errors import Reject
from protocol.identity import KEY_BYTES, SEAL_BYTES, Entropy, decrypt, encrypt, seal, unseal

SHARE_BYTES = KEY_BYTES
SEALED_SHARE_BYTES = SHARE_BYTES + SEAL_BYTES
CIPHER_MORE_BYTES = 16  # a cipher is this much longer than its content


@dataclass(frozen=True, slots=True)
class Sealed:
    """A content under a one-time key, and that key in shares: for each keeper its sealed share and the share's hash."""

    cipher: bytes
    shares: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Sealed:
        """What a record's body holds in the fields `cipher` and `shares`."""
        return cls(body["cipher"], tuple((sealed, hashed) for sealed, hashed in body["shares"]))

    def to_mapping(self) -> dict[str, Any]:
        """The fields that `of` reads."""
        return {"cipher": self.cipher, "shares": [list(one) for one in self.shares]}


@dataclass(frozen=True, slots=True)
class Void:
    """Why what was sealed could not be laid open: the clause, and a sentence."""

    code: str
    message: str


def seal_to(boxes: Sequence[bytes], threshold: int, content: bytes, context: bytes, entropy: Entropy) -> Sealed:
    """Seal to the keepers with these X25519 keys, bound to `context` (IDN-15); an unusable key gets bytes that open
    for nobody.
    """
    key = entropy(KEY_BYTES)
    polynomial = [key, *(entropy(SHARE_BYTES) for _ in range(threshold - 1))]
    shares = [_share(polynomial, place) for place in range(len(boxes))]
    sealed = (_seal_share(share, box, entropy) for share, box in zip(shares, boxes, strict=True))
    hashes = (share_hash(share, place, context) for place, share in enumerate(shares))
    return Sealed(encrypt(content, key, context), tuple(zip(sealed, hashes, strict=True)))


def open_share(sealed: Sealed, place: int, box_seed: bytes, context: bytes) -> bytes:
    """A keeper's own share, the one that was promised to it. Raises Reject IDN-8 or IDN-16."""
    share = unseal(sealed.shares[place][0], box_seed)
    if not is_good(sealed, place, share, context):
        raise Reject("IDN-16", f"shares[{place}]: does not match its hash")
    return share


def is_good(sealed: Sealed, place: int, share: bytes, context: bytes) -> bool:
    """Whether these bytes are the share that was promised to the keeper at this place (IDN-16)."""
    return len(share) == SHARE_BYTES and share_hash(share, place, context) == sealed.shares[place][1]


def combine(sealed: Sealed, threshold: int, shares: Mapping[int, bytes], context: bytes) -> bytes:
    """The content, from whatever shares came in by place; which good ones they are makes no difference (IDN-17).

    Raises Reject IDN-17 when too few are good, IDN-18 when what was promised is no polynomial, IDN-9 when the key does
    not open the cipher. The last two prove that the sealer dealt wrongly.
    """
    good = [place for place in sorted(shares) if 0 <= place < len(sealed.shares)]
    good = [place for place in good if is_good(sealed, place, shares[place], context)][:threshold]
    if len(good) < threshold:
        raise Reject("IDN-17", f"shares: {len(good)} of {threshold} good ones came in")
    points = {place + 1: shares[place] for place in good}
    for place in range(len(sealed.shares)):
        if not is_good(sealed, place, value_at(place + 1, points), context):
            raise Reject("IDN-18", "shares: those promised do not lie on one polynomial of the degree that they must")
    return decrypt(sealed.cipher, value_at(0, points), context)


def share_hash(share: bytes, place: int, context: bytes) -> bytes:
    """What stands in public for a share (IDN-15)."""
    return digest("share", share + bytes([place]) + context)


def value_at(x: int, points: Mapping[int, bytes]) -> bytes:
    """The value at x of the polynomial of least degree through these points, byte by byte in GF(2⁸) (IDN-14)."""
    total = 0
    for factor, share in zip(_factors(x, tuple(points)), points.values(), strict=True):
        total ^= int.from_bytes(share.translate(_multiples(factor)), "big")
    return total.to_bytes(SHARE_BYTES, "big")


def multiply(one: int, other: int) -> int:
    """The product in GF(2⁸) modulo x⁸ + x⁴ + x³ + x + 1, the field of AES (IDN-14)."""
    product = 0
    while other:
        product ^= one if other & 1 else 0
        one = one << 1 ^ (0x11B if one & 0x80 else 0)
        other >>= 1
    return product


def divide(one: int, other: int) -> int:
    """The quotient in GF(2⁸); `other` is not 0."""
    return multiply(one, _inverse(other))


@lru_cache(4096)
def _factors(x: int, points: tuple[int, ...]) -> tuple[int, ...]:
    """How much the value at each point counts for that at x (Lagrange); the same for all who share the points."""
    factors: list[int] = []
    for at in points:
        factor = 1
        for other in points:
            if other != at:
                factor = multiply(factor, divide(x ^ other, at ^ other))
        factors.append(factor)
    return tuple(factors)


@cache
def _inverse(one: int) -> int:
    return next(other for other in range(1, 256) if multiply(one, other) == 1)


@cache
def _multiples(factor: int) -> bytes:
    """The products of a factor with every byte."""
    return bytes(multiply(factor, byte) for byte in range(256))


def _share(polynomial: Sequence[bytes], place: int) -> bytes:
    """The value of a polynomial, its coefficients ascending, at the point that belongs to a place."""
    total = bytes(SHARE_BYTES)
    for coefficient in reversed(polynomial):
        scaled = total.translate(_multiples(place + 1))
        total = (int.from_bytes(scaled, "big") ^ int.from_bytes(coefficient, "big")).to_bytes(SHARE_BYTES, "big")
    return total


def _seal_share(share: bytes, box: bytes, entropy: Entropy) -> bytes:
    try:
        return seal(share, box, entropy)
    except Reject:
        return entropy(SEALED_SHARE_BYTES)
