"""The room of a request: who can read what suppliers seal to a co-op.

Decides what a room's secret is, for whom it is sealed and who has received it, and whether a request is one that
witnesses vouch for; never keeps a secret. Spec: 07-election, ELE-33; 08-negotiation, NEG-46, NEG-47, NEG-60 and NEG-61.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from protocol.coop.coop import Coop, slot_name
from protocol.errors import Reject
from protocol.identity import KEY_BYTES, SEAL_BYTES, Entropy, box_key, seal, unseal
from protocol.record.log import Log
from protocol.record.record import Record

FROM_CHARTER = ("category", "region", "template", "subject", "times", "stakes", "mediators")  # what a request repeats


def request_fits(coop: Coop, log: Log, rfq: Record, mention: Record) -> bool:
    """Whether a request and its mention are what charter and roster make them; a witness vouches for no other (ELE-33).

    log: the co-op's; the box of a witness whose acceptance is not in it is not looked at.
    """
    charter, body, expires = coop.charter.body, rfq.body, coop.charter.header.expires
    same = all(body.get(name) == charter.get(name) for name in FROM_CHARTER)
    boxes = all(
        any(one.body["box"] == box for one in said)
        for key, box in zip(coop.council.witnesses, body["boxes"], strict=True)
        if (said := log.slot("accept.1", key, "accept"))
    )
    return same and boxes and rfq.header.expires == expires and len(mention.body["keys"]) == len(boxes_of(coop, rfq))


def boxes_of(coop: Coop, rfq: Record) -> list[bytes]:
    """The box of every member and of every witness, ascending: a place in the room is a place in this list (NEG-60)."""
    return sorted(dict.fromkeys((*(member.box for member in coop.members), *rfq.body["boxes"])))


def draw_secret(entropy: Entropy) -> bytes:
    """A fresh secret for a room: an X25519 scalar in the one spelling that counts, clamped (RFC 7748; NEG-60)."""
    drawn = entropy(KEY_BYTES)
    return bytes([drawn[0] & 248]) + drawn[1:-1] + bytes([drawn[-1] & 127 | 64])


def is_secret(secret: bytes, room: bytes) -> bool:
    """Whether this is the secret of a room, as it was drawn (NEG-61)."""
    spelt = len(secret) == KEY_BYTES and not secret[0] & 7 and secret[-1] & 192 == 64
    return spelt and box_key(secret) == room


def keys_for(secret: bytes, boxes: Sequence[bytes], entropy: Entropy) -> list[bytes]:
    """The room's secret for each box; one that is no usable point gets bytes that open for nobody (NEG-60)."""
    return [_sealed(secret, box, entropy) for box in boxes]


def opens(key: bytes, seed: bytes, room: bytes) -> bytes | None:
    """The room's secret, if this key holds it for the box with this seed (NEG-61)."""
    try:
        secret = unseal(key, seed)
    except Reject:
        return None
    return secret if is_secret(secret, room) else None


def find_secret(log: Log, witnesses: Sequence[bytes], mention: Record, rfq: Record, place: int, seed: bytes) -> bytes:
    """The room's secret at a place: as the negotiator sealed it, or a witness passed it on; b"" when nothing opens."""
    for key in _keys_at(log, witnesses, mention, rfq.id, place):
        secret = opens(key, seed, rfq.body["room"])
        if secret is not None:
            return secret
    return b""


def plea_slot(rfq: bytes) -> str:
    """Where somebody says that the room's secret did not reach them (NEG-46)."""
    return slot_name("unopened", rfq)


def answer_slot(rfq: bytes, place: int) -> str:
    """Where a witness passes the secret on to a place (NEG-47)."""
    return f"{slot_name('opening', rfq)}/{place}"


def _keys_at(log: Log, witnesses: Sequence[bytes], mention: Record, rfq: bytes, place: int) -> Iterator[bytes]:
    yield from mention.body["keys"][place : place + 1]
    for witness in witnesses:
        for one in log.slot("opening.1", witness, answer_slot(rfq, place)):
            yield one.body["key"]


def _sealed(secret: bytes, box: bytes, entropy: Entropy) -> bytes:
    try:
        return seal(secret, box, entropy)
    except Reject:
        return entropy(KEY_BYTES + SEAL_BYTES)
