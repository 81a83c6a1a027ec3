"""Events a second through a simulated town, from intents to an agreement, against nothing but checking signatures.

An event is one message, record or tick at one node, disk and wire of the simulator included; ten engines run in turn.
"""

import time

from nacl.bindings import crypto_sign_open

from protocol.identity import Persona
from protocol.params import DAY_MS
from protocol.record.record import Record
from tests.sim.town import Town
from tests.sim.world import NETWORK

UNIT = "events/s"
AGAINST = "verifying signatures alone, PyNaCl on one thread"
LIMIT = 0.2  # (g)

SIGNATURES = 5_000


def measure() -> float:
    """Events a second until somebody's co-op is countersigned."""
    town = Town(seed=1)
    began = time.perf_counter()
    town.open()
    assert town.live(300_000, town.agreed)
    return town.world.events / (time.perf_counter() - began)


def yardstick() -> float:
    """Signatures a second."""
    author = Persona.from_seed(bytes(32))
    record = Record.sign(author, NETWORK, "noise.1", "board/a/b", {"noise": b"x"}, created=1, expires=DAY_MS)
    message = record.header.signature + record.id
    began = time.perf_counter()
    for _ in range(SIGNATURES):
        crypto_sign_open(message, author.key)
    return SIGNATURES / (time.perf_counter() - began)
