"""Kinds that are said in a deal.

Decides shapes only; never what follows from a record. Spec: 01-record, REC-11; 08-negotiation, 09-accountability.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.params import BIDS_MAX, MEMBERS_MAX, PARTS_MAX, SEALED_BLOCK_BYTES, WITNESSES_MAX
from protocol.record.schema import array, ascending, data, fields, integer, one_of, pair, slug, text
from protocol.record.shapes import (
    ATTRIBUTES,
    BOARD_SCOPE,
    COOP_SCOPE,
    COUNT,
    DEAL,
    DEAL_SCOPE,
    ID,
    MEDIATORS,
    MONEY,
    NUMBERS,
    RAW,
    REASONS,
    REGION,
    REQUIREMENTS,
    SEALED,
    STAKES,
    SUBJECT,
    TERM,
    TERMS,
    TIME,
    TIMES,
    Kind,
)

DEAL_KINDS: Mapping[str, Kind] = {
    # 08-negotiation
    "headline.1": Kind(
        "once",
        BOARD_SCOPE,
        fields(
            {
                "deal": DEAL,
                "template": ID,
                "members": integer(1, MEMBERS_MAX),
                "pooled_minor": MONEY,
                "quote_until": TIME,
            }
        ),
    ),
    "rfq.1": Kind(
        "once",
        DEAL_SCOPE,
        fields(
            {
                "coop": DEAL,
                "nonce": data(16),
                "charter": ID,
                "category": slug(),
                "region": REGION,
                "template": ID,
                "members": integer(1, MEMBERS_MAX),
                "quantity": COUNT,
                "pooled_minor": MONEY,
                "weights_minor": ATTRIBUTES,
                "requirements": REQUIREMENTS,
                "terms": TERMS,
                "witnesses": ascending(ID, WITNESSES_MAX, 1),
                "room": ID,
                "boxes": array(ID, WITNESSES_MAX, 1),
                "times": TIMES,
                "mandate": data(1, 2000),
                "certificate": array(RAW, WITNESSES_MAX, 1),
            },
            {"subject": SUBJECT, "stakes": STAKES, "mediators": MEDIATORS},
        ),
    ),
    "query.1": Kind("once", DEAL_SCOPE, fields({"rfq": ID, "text": text(least=1)})),
    "reply.1": Kind("once", DEAL_SCOPE, fields({"rfq": ID, "query": ID, "text": text(least=1)})),
    "suggestion.1": Kind(
        "once",
        DEAL_SCOPE,
        fields(
            {
                "rfq": ID,
                "weights_minor": ATTRIBUTES,
                "requirements": REQUIREMENTS,
                "drops": ascending(slug(), 8),
                "terms": TERMS,
                "reason": text(),
            }
        ),
    ),
    "counter.1": Kind(
        "once",
        DEAL_SCOPE,
        fields(
            {
                "rfq": ID,
                "term": TERM,
                "supplier": ID,
                "price_minor": integer(1, 10**12),
                "quantity": integer(1, 10**9),
                "text": text(),
            }
        ),
    ),
    "adoption.1": Kind("once", COOP_SCOPE, fields({"deal": DEAL, "suggestions": ascending(ID, 64)})),
    "answer.1": Kind(
        "once", COOP_SCOPE, fields({"rfq": ID, "serves": array(pair(ID, integer(1, 10**9)), PARTS_MAX, 1)})
    ),
    "quotation.1": Kind(
        "once",
        DEAL_SCOPE,
        fields(
            {
                "rfq": ID,
                "under": ID,
                "commit": ID,
                "cipher": data(SEALED_BLOCK_BYTES + 16, 5 * SEALED_BLOCK_BYTES + 16),
                "shares": array(pair(SEALED, ID), WITNESSES_MAX, 1),
            }
        ),
    ),
    "reveal.1": Kind(
        "once", DEAL_SCOPE, fields({"rfq": ID, "manifest": ID, "shares": array(pair(ID, SEALED), BIDS_MAX)})
    ),
    "commitment.1": Kind(
        "once",
        DEAL_SCOPE,
        fields(
            {
                "rfq": ID,
                "award": ID,
                "answer": one_of("commit", "decline"),
                "reason": REASONS,
                "remark": text(),
                **NUMBERS,
            },
            {"supplier": ID, "terms": slug(64)},
        ),
    ),
    # 09-accountability
    "countersign.1": Kind("once", DEAL_SCOPE, fields({"rfq": ID, "agreement": ID})),
    "event.1": Kind(
        "none",
        DEAL_SCOPE,
        fields(
            {
                "agreement": ID,
                "action": one_of("deliver", "receive", "pay", "correct"),
                "member": ID,
                "quantity": COUNT,
                "reference": text(200),
            },
            {"corrects": ID},
        ),
    ),
    "cancel.1": Kind(
        "once",
        DEAL_SCOPE,
        fields({"agreement": ID, "member": ID, "ends": TIME, "reason": REASONS, "remark": text()}),
    ),
    "substitute.1": Kind(
        "none",
        DEAL_SCOPE,
        fields(
            {
                "agreement": ID,
                "members": ascending(ID, MEMBERS_MAX),
                "article": text(64, 1),
                "attributes": ATTRIBUTES,
                "unit_price_minor": MONEY,
                "remark": text(),
            }
        ),
    ),
    "consent.1": Kind("once", DEAL_SCOPE, fields({"substitute": ID, "answer": one_of("consent", "refuse")})),
    "renewal.1": Kind(
        "once",
        DEAL_SCOPE,
        fields({"rfq": ID, "answer": one_of("renew", "change", "leave"), "reason": REASONS, "remark": text()}),
    ),
}
