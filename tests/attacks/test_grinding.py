"""Ids that were ground: records whose ids share their beginning and whose times are equal cost no more than others.

Five bytes in common are more than a trillion attempts for each record. The control is the same set with ids and times
as they come.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from protocol.network.index import Index
from protocol.network.shelf import Shelf
from protocol.network.sync import initiate, respond
from protocol.record.outline import Outline

HELD, DIFFERENT = 20_000, 200
FRAME = 60_000
NOW = 1_700_000_000_000
COOP = "coop/" + "ab" * 16
RATIO_MAX = 3.0
Items = list[tuple[int, bytes]]


def natural(rng: random.Random, count: int) -> Items:
    return [(NOW + rng.randrange(10**9), rng.randbytes(32)) for _ in range(count)]


def ground(rng: random.Random, count: int) -> Items:
    return [(NOW, b"\x42" * 5 + rng.randbytes(27)) for _ in range(count)]


def reconciled(make: Callable[[random.Random, int], Items]) -> tuple[float, int, int]:
    """Processor seconds, rounds and bytes until both sides know exactly what differs."""
    both = make(random.Random(1), HELD)
    ours, theirs = make(random.Random(2), DIFFERENT), make(random.Random(3), DIFFERENT)
    began = time.process_time()
    mine, other = Index(both), Index(both)
    for index, own in ((mine, ours), (other, theirs)):
        for created, one in own:
            index.insert(created, one)
    session, message = initiate(mine, FRAME)
    rounds = size = 0
    have: set[bytes] = set()
    lack: set[bytes] = set()
    reply: bytes | None = message
    while reply is not None:
        answer = respond(other, reply, FRAME)
        rounds, size = rounds + 1, size + len(reply) + len(answer)
        reply, some, need = session.receive(answer)
        have |= set(some)
        lack |= {one for found in need for one in found.ids}
    assert have == {one for _, one in ours}
    assert lack == {one for _, one in theirs}
    return time.process_time() - began, rounds, size


def test_reconciliation_of_ground_ids_is_as_short_and_as_fast() -> None:
    """SYN-1, SYN-8: what differs is found exactly, in no more rounds, bytes or time"""
    usual, worst = reconciled(natural), reconciled(ground)
    assert worst[0] < RATIO_MAX * usual[0] + 0.2, (usual, worst)
    assert worst[1] <= usual[1] + 1, (usual, worst)
    assert worst[2] < 2 * usual[2], (usual, worst)


def shelved(make: Callable[[random.Random, int], Items]) -> float:
    """Processor seconds to put all on a shelf one by one and find each again."""
    rng, shelf = random.Random(4), Shelf(COOP)
    lines = [
        Outline(one, b"\x17" * 5 + bytes([number % 50]) + bytes(26), "intent.1", created, created + 9, None, None, 99)
        for number, (created, one) in enumerate(make(rng, HELD // 2))
    ]
    began = time.process_time()
    for one in lines:
        shelf.add(one)
    assert all(one.id in shelf for one in lines)
    assert len(shelf) == len(lines)
    assert not any(one in shelf for _, one in make(rng, 1_000))
    return time.process_time() - began


def test_a_shelf_of_ground_ids_is_as_fast_and_right() -> None:
    """GOS-40"""
    usual, worst = shelved(natural), shelved(ground)
    assert worst < RATIO_MAX * usual + 0.2, (usual, worst)
