"""A room of 200 members and 16 witnesses: milliseconds to make, sign and seal a new epoch for all of them, against the
216 sealed boxes alone, as libsodium makes them.

Beside it: the bytes of its record, opening one's own place, a message sealed and signed, a message checked and opened,
and 500 envelopes read one after another, which is what a node does when it reads a co-op of that size from its disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

import nacl.bindings as sodium

from protocol.identity import box_key
from protocol.record.record import Record
from protocol.room.book import Book
from protocol.room.epoch import Group, Place, commit, welcome
from tests.test_room import NAME, NETWORK, PEOPLE, envelope, leave, seed_of, signed

UNIT = "ms"
AGAINST = "216 sealed boxes alone, ms"
LIMIT = 1.5
LESS = True
OPTIONS = {"places": 216}
LIMITED_BY = "one multiplication of X25519 to draw a box's key and one to seal it, for each place"

MESSAGES = 500
T = TypeVar("T")


def measure(places: int = 216) -> tuple[float, dict[str, float]]:
    """A new epoch, and what is said in it."""
    who = PEOPLE[0]
    others = [Place(os.urandom(32), box_key(os.urandom(32))) for _ in range(places - 1)]
    group = Group.of(NAME, [*others, Place(who.key, box_key(seed_of(who)))])
    secret = os.urandom(32)
    took, record = _timed(lambda: signed(who, "epoch.1", commit(group, secret, os.urandom)))
    place = group.place_of(who.key)
    assert place is not None
    opening, found = _timed(lambda: welcome(record.body, record.body["keys"][place], seed_of(who)))
    assert found == secret
    inner = leave(who)
    sealing, said = _timed(lambda: [envelope(who, record, secret, inner, index) for index in range(MESSAGES)])
    reading, count = _timed(lambda: _read(record, secret, said))
    assert count == 1  # the same record in all of them
    figures = {"bytes of the record": len(record.raw), "opening one's place, ms": opening}
    figures |= {"a message sealed and signed, ms": sealing / MESSAGES, f"{MESSAGES} envelopes read, ms": reading}
    return took, figures


def yardstick(places: int = 216) -> float:
    """The boxes without anything around them."""
    keys, secret = [box_key(os.urandom(32)) for _ in range(places)], os.urandom(32)
    took, _ = _timed(lambda: [sodium.crypto_box_seal(secret, key) for key in keys])
    return took


def _read(epoch: Record, secret: bytes, said: list[Record]) -> int:
    book = Book()
    book.learn(epoch.id, secret)
    for one in said:
        book.hold(one)
    book.open(NETWORK)
    return len(book.waiting)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    since = time.perf_counter()
    found = work()
    return (time.perf_counter() - since) * 1e3, found
