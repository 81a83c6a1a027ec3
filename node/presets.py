"""The times a charter may fix, by name: how long each box stays open, how patient its witnesses are.

Decides numbers only; once signed, a charter's own times rule. All are guesses (g) but those of PROTOCOL 6. A network's
speed divides them, down to what real processes on one machine can keep. Spec: 05-formation, FRM-21.
"""

from __future__ import annotations

from collections.abc import Mapping

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
GRAIN_MS = MINUTE  # stamps of human acts (REC-16)
SYNC_MS, SYNC_MS_MIN = MINUTE, 2 * SECOND  # how often scopes are reconciled without cause (GOS-4)

_AWAKE = {  # nodes that are always on
    "join_ms": 12 * HOUR,
    "pledge_ms": 12 * HOUR,
    "nominate_ms": 12 * HOUR,
    "ballot_ms": 12 * HOUR,
    "deal_ms": 12 * HOUR,
    "suggest_ms": 4 * HOUR,
    "quote_ms": 4 * HOUR,
    "reveal_ms": 2 * HOUR,
    "final_ms": 2 * HOUR,
    "answer_ms": 2 * HOUR,
    "commit_ms": 12 * HOUR,
    "repair_ms": 12 * HOUR,
    "attest_ms": 14 * DAY,
    "renew_ms": 14 * DAY,
    "settle_ms": 10 * MINUTE,
    "round_ms": 30 * SECOND,
    "voice_ms": 7 * DAY,
    "mediate_ms": 3 * DAY,
    "mandate_ms": 30 * DAY,
    "lease_ms": DAY,
    "retention_ms": 5 * 365 * DAY,
}
_ASLEEP = {  # nodes at home, awake some hours a day
    "join_ms": 4 * DAY,
    "pledge_ms": 3 * DAY,
    "nominate_ms": 3 * DAY,
    "ballot_ms": 4 * DAY,
    "deal_ms": 3 * DAY,
    "suggest_ms": 2 * DAY,
    "quote_ms": 7 * DAY,
    "reveal_ms": 2 * DAY,
    "final_ms": 2 * DAY,
    "answer_ms": 2 * DAY,
    "commit_ms": 7 * DAY,
    "repair_ms": 7 * DAY,
    "attest_ms": 30 * DAY,
    "renew_ms": 30 * DAY,
    "settle_ms": DAY,
    "round_ms": 12 * HOUR,
    "voice_ms": 14 * DAY,
    "mediate_ms": 7 * DAY,
    "mandate_ms": 90 * DAY,
    "lease_ms": 14 * DAY,
    "retention_ms": 5 * 365 * DAY,
}
_HURRIED = {  # everybody is awake and answers within minutes: what a demo divides further
    "join_ms": 30 * MINUTE,
    "pledge_ms": 30 * MINUTE,
    "nominate_ms": 4 * MINUTE,
    "ballot_ms": 30 * MINUTE,
    "deal_ms": 20 * MINUTE,
    "quote_ms": 4 * MINUTE,
    "reveal_ms": 20 * MINUTE,
    "commit_ms": 30 * MINUTE,
    "attest_ms": HOUR,
    "settle_ms": MINUTE,
    "round_ms": 2 * MINUTE,
    "voice_ms": 30 * MINUTE,
    "mediate_ms": 10 * MINUTE,
    "mandate_ms": DAY,
    "retention_ms": 365 * DAY,
}
_LEAST_MS = {"lease_ms": MINUTE, "settle_ms": SECOND, "round_ms": 2 * SECOND, "retention_ms": DAY}


def presets(speed: int) -> Mapping[str, Mapping[str, int]]:
    """Name -> times in ms, for a network whose durations are `speed` times shorter."""
    return {
        name: {field: max(_LEAST_MS.get(field, 1), length // speed) for field, length in times.items()}
        for name, times in (("always-on", _AWAKE), ("home", _ASLEEP), ("hurried", _HURRIED))
    }
