"""How the members of a co-op fared together, in numbers that tell of nobody.

Decides how much of a count may be told; never whom it is told. Spec: 19-remedy, RMD-30.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from protocol.deal.life import Deal
from protocol.params import AGGREGATE_LEAST
from protocol.trust.case import Voice

SHARES = ("got all", "raised a voice", "were not answered", "were put right")


def told(count: int, members: int, least: int = AGGREGATE_LEAST) -> int:
    """A count of members rounded down to a multiple of `least`, that many being left out; 0 tells nothing."""
    return max(0, min(count // least, (members - least) // least)) * least


def health(deal: Deal, voices: Iterable[Voice], now: int) -> Mapping[str, int]:
    """Of the members with a share how many, at least; empty where there are too few to tell anything of."""
    members = [member for member, _ in deal.shares]
    if len(members) < 2 * AGGREGATE_LEAST:
        return {}
    spoke: dict[bytes, None] = {}
    silent: dict[bytes, None] = {}
    mended: dict[bytes, None] = {}
    for voice in voices:
        if voice.author in members:
            spoke[voice.author] = None
            if voice.stage(now).state == "unanswered":
                silent[voice.author] = None
            if voice.stage(now).state in ("settled", "remedied"):
                mended[voice.author] = None
    got = sum(len(about.delivered) for about in deal.agreements)
    counts = dict(zip(SHARES, (got, len(spoke), len(silent), len(mended)), strict=True))
    return {"members": len(members)} | {name: told(count, len(members)) for name, count in counts.items()}
