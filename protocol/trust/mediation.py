"""Who is asked to mediate: those whom both sides accept, in an order that neither side could choose.

Decides the line; never who is fit to mediate. Spec: 19-remedy, RMD-14 to RMD-16.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocol.deal.life import Deal
from protocol.encoding import digest, digest_of
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.trust.voice import under


def commitment(voice: bytes, author: bytes, nonce: bytes, accepts: Sequence[bytes]) -> bytes:
    """What one side commits to before either list is open (RMD-14)."""
    return digest_of("naming", [voice, author, nonce, list(accepts)])


def committed(log: Log, voice: bytes, author: bytes) -> Record | None:
    """The one commitment of a side; two of them are none."""
    found = log.sole("naming.1", author, under("naming", voice))
    return found if found is not None and found.body["voice"] == voice else None


def revealed(log: Log, voice: bytes, author: bytes) -> Record | None:
    """The list of a side, if it is the one that it committed to."""
    before, found = committed(log, voice, author), log.sole("named.1", author, under("named", voice))
    if before is None or found is None or found.body["voice"] != voice:
        return None
    told = commitment(voice, author, found.body["nonce"], found.body["accepts"])
    return found if told == before.body["commit"] else None


def line(log: Log, deal: Deal, voice: Record, drawn_too: bool) -> tuple[bytes, ...]:
    """Whom both accept, by a seed that both made and neither knew; then those named in advance, by the agreement.

    drawn_too: whether the two lists came in time.
    """
    pair = sorted((voice.author, voice.body["subject"]))
    lists = [one for key in pair if (one := revealed(log, voice.id, key)) is not None]
    both: list[bytes] = []
    if drawn_too and len(lists) == len(pair):
        seed = digest("draw", b"".join([voice.id, *(one.body["nonce"] for one in lists)]))
        named = [key for key in lists[0].body["accepts"] if key in lists[1].body["accepts"] and key not in pair]
        both = drawn(seed, named)
    seed = digest("draw", b"".join([voice.body["agreement"], *pair]))
    advance = [key for key in deal.rfq.body.get("mediators", ()) if key not in pair and key not in both]
    return (*both, *drawn(seed, advance))


def drawn(seed: bytes, keys: Sequence[bytes]) -> list[bytes]:
    """These keys in the order of this seed."""
    return sorted(keys, key=lambda key: digest("draw", seed + key))
