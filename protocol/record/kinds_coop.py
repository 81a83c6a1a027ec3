"""Kinds that are said in a co-op, and what calls one.

Decides shapes only; never what follows from a record. Spec: 01-record, REC-11; 05-formation, 06-decision, 07-election.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.params import (
    BALLOT_FRAME_BYTES,
    BALLOT_NAME_BYTES,
    BEFORE_MAX,
    BOX_IDS_MAX,
    MEMBERS_MAX,
    RANKED_MAX,
    RECEIPT_IDS_MAX,
    ROUND_MAX,
    WITNESSES_MAX,
)
from protocol.record.schema import array, ascending, data, fields, integer, one_of, pair, slug, text
from protocol.record.shapes import (
    ADMITS,
    BOARD_SCOPE,
    COOP_SCOPE,
    DEAL,
    DEAL_SCOPE,
    EVIDENCE,
    ID,
    INTERESTS,
    MEDIATORS,
    MONEY,
    NUMBERS,
    PLACE,
    QUESTION,
    RAW,
    REASONS,
    RECALL_REASONS,
    REGION,
    SEALED,
    STAKES,
    SUBJECT,
    TERM,
    TIME,
    TIMES,
    Kind,
)

_SEALED_RANKING = data(BALLOT_FRAME_BYTES + 16, BALLOT_FRAME_BYTES + BALLOT_NAME_BYTES * RANKED_MAX + 16)

COOP_KINDS: Mapping[str, Kind] = {
    # 05-formation
    "call.1": Kind("once", BOARD_SCOPE, fields({"coop": DEAL, "charter": RAW})),
    "charter.1": Kind(
        "once",
        COOP_SCOPE,
        fields(
            {
                "nonce": data(16),
                "purpose": text(200, 1),
                "category": slug(),
                "region": REGION,
                "template": ID,
                "epoch": integer(),
                "listed": ascending(ID, MEMBERS_MAX),
                "least": integer(2, MEMBERS_MAX),
                "most": integer(2, MEMBERS_MAX),
                "witnesses": ascending(ID, WITNESSES_MAX, 1),
                "fee_max_minor": MONEY,
                "risk": one_of("lowest", "low", "high"),
                "times": TIMES,
            },
            {"before": ascending(DEAL, BEFORE_MAX, 1), "admits": ADMITS, "subject": SUBJECT}
            | {"stakes": STAKES, "mediators": MEDIATORS},
        ),
    ),
    "accept.1": Kind("once", COOP_SCOPE, fields({"charter": ID, "box": ID})),
    "join.1": Kind(
        "once",
        COOP_SCOPE,
        fields(
            {
                "charter": ID,
                "intent": RAW,
                "box": ID,
                "least": integer(0, MEMBERS_MAX),
                "most": integer(0, MEMBERS_MAX),
                "exclude": ascending(ID, 16),
            },
            {"invite": data(1, 512), "evidence": EVIDENCE},
        ),
    ),
    "leave.1": Kind("once", COOP_SCOPE, fields({"reason": REASONS, "remark": text()})),
    "successor.1": Kind("once", COOP_SCOPE, fields({"charter": RAW, "invite": data(0, 512)})),
    "pledge.1": Kind("once", COOP_SCOPE, fields({"roster": ID, **NUMBERS})),
    # 06-decision
    "receipt.1": Kind(
        "none", ("coop", "deal"), fields({"question": QUESTION, "ids": ascending(ID, RECEIPT_IDS_MAX, 1)})
    ),
    "proposal.1": Kind(
        "once",
        ("coop", "deal"),
        fields(
            {
                "question": QUESTION,
                "round": integer(0, ROUND_MAX),
                "valid_round": integer(-1, ROUND_MAX),
                "value": data(1, 32 * BOX_IDS_MAX + 10_000),
            }
        ),
    ),
    "vote.1": Kind(
        "once",
        ("coop", "deal"),
        fields(
            {
                "question": QUESTION,
                "round": integer(0, ROUND_MAX),
                "step": one_of("prevote", "precommit"),
                "value": data(0, 32),
            }
        ),
    ),
    # 07-election
    "nomination.1": Kind(
        "once",
        COOP_SCOPE,
        fields(
            {"roster": ID, "fee_minor": MONEY, "interests": INTERESTS, "statement": text(), "language": slug(12)},
            {"evidence": EVIDENCE},
        ),
    ),
    "ballot.1": Kind(
        "once",
        COOP_SCOPE,
        fields({"roster": ID, "cipher": _SEALED_RANKING, "shares": array(pair(SEALED, ID), WITNESSES_MAX, 1)}),
    ),
    "count.1": Kind(
        "once", COOP_SCOPE, fields({"roster": ID, "manifest": ID, "shares": array(pair(ID, ID), MEMBERS_MAX)})
    ),
    "deal.1": Kind(
        "once",
        COOP_SCOPE,
        fields({"roster": ID, "deal": DEAL, "rfq": ID, "keys": array(SEALED, MEMBERS_MAX + WITNESSES_MAX, 1)}),
    ),
    "unopened.1": Kind("once", COOP_SCOPE, fields({"rfq": ID, "place": PLACE})),
    "opening.1": Kind("once", COOP_SCOPE, fields({"rfq": ID, "place": PLACE, "key": SEALED})),
    "heartbeat.1": Kind("latest", COOP_SCOPE, fields({"roster": ID, "term": TERM})),
    "lease.1": Kind("latest", COOP_SCOPE, fields({"roster": ID, "term": TERM, "until": TIME})),
    "recall.1": Kind(
        "once", COOP_SCOPE, fields({"roster": ID, "term": TERM, "reason": RECALL_REASONS, "remark": text()})
    ),
    "end.1": Kind("once", COOP_SCOPE, fields({"roster": ID, "term": TERM, "cause": one_of("dark", "recalled")})),
    "mandate.1": Kind(
        "once",
        DEAL_SCOPE,
        fields({"rfq": ID, "mandate": data(1, 2000), "certificate": array(RAW, WITNESSES_MAX, 1)}),
    ),
}
