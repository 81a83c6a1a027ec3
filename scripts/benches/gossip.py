"""Ten thousand simulated relays find each other and tell each other ten records: events a second.

An event is one message, link or time-out at one relay: the state machines of the tree and the overlay alone, no bytes,
no signatures. The yardstick is a heap of as many events with nothing done about them. Both count processor time.
"""

import heapq
import random
import time

from tests.sim.crowd import Crowd

UNIT = "events/s"
AGAINST = "a heap of events that nobody handles"
LIMIT = 0.1  # (g)
RUNS = 1
OPTIONS = {"nodes": 10_000}
LIMITED_BY = "Python: about ten calls for each event"

_RECORDS = 10
_QUEUED = 20_000  # events that wait at a time


def measure(nodes: int = 10_000) -> tuple[float, dict[str, float]]:
    """Events a second, with the shares that the last record reached and came too often."""
    crowd = Crowd(1)
    began = time.process_time()
    crowd.gather(nodes)
    gathered = time.process_time()
    told = [crowd.broadcast(crowd.rng.choice(list(crowd.members)), bytes([number])) for number in range(_RECORDS)]
    took = time.process_time() - began
    reached, redundancy = told[-1]
    figures = {
        "reached": reached,
        "redundancy": redundancy,
        "gathering s": gathered - began,
        "a broadcast s": (took - (gathered - began)) / _RECORDS,
    }
    return crowd.events / took, figures


def yardstick(nodes: int = 10_000) -> float:
    """Events a second when nothing happens."""
    rng, heap, count = random.Random(1), list[tuple[int, int]](), 50 * nodes
    began = time.process_time()
    for number in range(_QUEUED):
        heapq.heappush(heap, (rng.randrange(60), number))
    for number in range(count):
        at, _ = heapq.heappop(heap)
        heapq.heappush(heap, (at + rng.randrange(60), _QUEUED + number))
    return count / (time.process_time() - began)
