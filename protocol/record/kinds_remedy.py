"""Kinds that are said when something went wrong: a voice, what is answered, a mediator, a plan, its fulfilment.

Decides shapes only; never what follows from a record. Spec: 01-record, REC-11; 19-remedy.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.params import (
    HANDOVER_BYTES,
    MEDIATORS_MAX,
    READERS_MAX,
    REMEDIES_MAX,
    SUMMONS_BYTES,
    WORDS_BYTES,
)
from protocol.record.schema import Rule, array, ascending, data, fields, integer, one_of, pair, slug, text
from protocol.record.shapes import BOARD_SCOPE, DEAL_SCOPE, ID, RAW, SEALED, TIME, TRUST_SCOPE, Kind

WISHES = ("apology", "deliver", "explain", "other", "price", "refund", "replace")
STEPS = (
    *("accept", "again", "agree", "case", "confirmed", "contested", "decline", "done"),
    *("empty", "fine", "settled", "unreadable", "withdrawn"),
)
# Words that only those named can read: under a key that is used once, which `lock` commits to, sealed to each of them.
_WORDS: Mapping[str, Rule] = {
    "cipher": data(WORDS_BYTES + 16),
    "lock": ID,
    "keys": array(pair(ID, SEALED), READERS_MAX, 1),
}
_REMEDY = fields({"by": ID, "what": one_of(*WISHES), "due": TIME})

REMEDY_KINDS: Mapping[str, Kind] = {
    # 19-remedy
    "voice.1": Kind("once", DEAL_SCOPE, fields({"agreement": ID, "subject": ID, **_WORDS})),
    "words.1": Kind("once", DEAL_SCOPE, fields({"voice": ID, **_WORDS})),
    "step.1": Kind(
        "once",
        DEAL_SCOPE,
        fields({"voice": ID, "step": one_of(*STEPS), "index": integer(0, REMEDIES_MAX - 1)}, {"plan": ID}),
    ),
    "naming.1": Kind("once", DEAL_SCOPE, fields({"voice": ID, "commit": ID})),
    "named.1": Kind("once", DEAL_SCOPE, fields({"voice": ID, "nonce": ID, "accepts": ascending(ID, MEDIATORS_MAX)})),
    "plan.1": Kind(
        "once",
        DEAL_SCOPE,
        fields({"voice": ID, "remedies": array(_REMEDY, REMEDIES_MAX, 1), "follow_ms": TIME, **_WORDS}),
    ),
    "handover.1": Kind(
        "latest", DEAL_SCOPE, fields({"voice": ID, "mediator": ID, "sealed": data(HANDOVER_BYTES + 48)})
    ),
    "mediator.1": Kind(
        "latest",
        BOARD_SCOPE,
        fields({"state": one_of("offers", "withdrawn"), "languages": ascending(slug(12), 16), "words": text(280)}),
    ),
    "summons.1": Kind("none", TRUST_SCOPE, fields({"sealed": data(SUMMONS_BYTES + 48)})),
    "unheard.1": Kind(
        "latest",
        TRUST_SCOPE,
        fields(
            {
                "subject": ID,
                "role": one_of("member", "negotiator", "supplier"),
                "agreement": ID,
                "voice": ID,
                "outcome": one_of("answered", "unanswered"),
                "evidence": array(RAW, 2),
            }
        ),
    ),
    "amends.1": Kind("once", TRUST_SCOPE, fields({"attestation": ID, "subject": ID})),
}
