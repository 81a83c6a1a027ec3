"""The vocabulary of the network: every kind of record, on one screen.

Decides for each kind where it may be said, whether it fills a slot, and the shape of its body; never what follows.
A version of a kind never changes its rules; a new rule is a new version. Spec: 01-record, REC-11, and the document
named beside each group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from protocol.params import (
    BIDS_MAX,
    BOX_IDS_MAX,
    EVIDENCE_BYTES_MAX,
    EVIDENCE_MAX,
    MEMBERS_MAX,
    PARTS_MAX,
    RECEIPT_IDS_MAX,
    ROUND_MAX,
    SEALED_BLOCK_BYTES,
    SUBJECT_MAX,
    WITNESSES_MAX,
)
from protocol.record.schema import Rule, array, ascending, data, fields, integer, one_of, pair, slug, table, text

Mode = Literal["once", "latest", "none"]


@dataclass(frozen=True, slots=True)
class Kind:
    """Where a kind lives (scope families), how it fills a slot, and its body's shape."""

    mode: Mode
    families: tuple[str, ...]
    body: Rule


ID = data(32)  # of a record, a value or a persona
RAW = data(1, 20_000)  # a whole foreign record, as its author signed it
EVIDENCE = array(data(1, EVIDENCE_BYTES_MAX), EVIDENCE_MAX)  # whole foreign records, so few and small that they fit beside an intent
DEAL = data(16)
MONEY = integer()
COUNT = integer(0, 10**9)
TIME = integer()
SEALED = data(80)  # 32 bytes in a sealed box (IDN-8)
PLACE = integer(0, MEMBERS_MAX + WITNESSES_MAX - 1)
QUESTION = text(64, 1)
REGION = slug(8)
TERMS = ascending(slug(), 8)
ATTRIBUTES = table(slug(), integer(-(10**9), 10**9), 16)
REQUIREMENTS = array(
    fields(
        {"attribute": slug(), "operator": one_of("at-least", "at-most", "equal"), "value": integer(-(10**9), 10**9)}
    ),
    8,
)
INTERESTS = ascending(one_of("employed", "family", "fee", "none", "owns", "other"), 6)
REASONS = one_of("", "changed-mind", "excluded-supplier", "found-better", "other", "price", "terms", "timing")
POLICY_LIMITS = tuple("author_bytes author_records mail_bytes mail_ms mail_records scope_bytes stored_bytes".split())
NOTICE_REASONS = one_of("flood", "fraud", "harm", "illegal", "other", "privacy", "request", "spam")
SUBJECT = slug(SUBJECT_MAX)  # TPL-15
TIMES = fields(
    {name: integer(1, 10**11) for name in ("join_ms", "pledge_ms", "nominate_ms", "ballot_ms", "deal_ms")}
    | {name: integer(1, 10**11) for name in ("quote_ms", "reveal_ms", "commit_ms")}
    | {name: integer(1, 10**11) for name in ("settle_ms", "round_ms", "mandate_ms", "retention_ms")},
    # Stages that a charter may do without: where the window is not named, the stage is not there.
    {name: integer(1, 10**11) for name in ("suggest_ms", "final_ms", "answer_ms", "repair_ms", "lease_ms", "renew_ms")},
)
ADMITS = fields(
    {
        "outcomes": integer(0, EVIDENCE_MAX),
        "vouches": integer(0, EVIDENCE_MAX),
        "newcomers": integer(0, MEMBERS_MAX),
        "elect_newcomers": integer(0, 1),
    }
)
TERM = integer(1, MEMBERS_MAX)
RECALL_REASONS = one_of("conflict", "limits", "other", "silent", "terms")
_BOARD, _COOP, _DEAL, _TRUST, _MAIL = ("board",), ("coop",), ("deal",), ("trust",), ("mail",)
_NUMBERS: Mapping[str, Rule] = {"want": COUNT, "tolerate": COUNT, "least": COUNT, "price_max_minor": MONEY}

KINDS: Mapping[str, Kind] = {
    # 02-identity
    "persona.1": Kind("once", _TRUST, fields({"recovery": ID})),
    # 04-intent
    "intent.1": Kind(
        "latest",
        _BOARD,
        fields(
            {
                "template": ID,
                "want": COUNT,
                "tolerate": COUNT,
                "spend_minor": MONEY,
                "readiness": one_of("exploring", "ready", "pledged", "withdrawn"),
                "ready_by": TIME,
                "levels": table(slug(), integer(-1, 1), 5),
                "terms": TERMS,
            },
            {"requirements": REQUIREMENTS, "band_minor": array(MONEY, 2, 2), "subject": SUBJECT, "words": text(280, 1)},
        ),
    ),
    "profile.1": Kind("latest", _BOARD, fields({"label": text(80, 1), "terms": TERMS})),
    "pledge-marker.1": Kind("latest", _BOARD, fields({"intent": ID, "roster": ID})),
    "commitment-marker.1": Kind("once", _BOARD, fields({"intent": ID, "roster": ID})),
    # 05-formation
    "call.1": Kind("once", _BOARD, fields({"coop": DEAL, "charter": RAW})),
    "charter.1": Kind(
        "once",
        _COOP,
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
            {"admits": ADMITS, "subject": SUBJECT},
        ),
    ),
    "accept.1": Kind("once", _COOP, fields({"charter": ID, "box": ID})),
    "join.1": Kind(
        "once",
        _COOP,
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
    "pledge.1": Kind("once", _COOP, fields({"roster": ID, **_NUMBERS})),
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
        _COOP,
        fields(
            {"roster": ID, "fee_minor": MONEY, "interests": INTERESTS, "statement": text(), "language": slug(12)},
            {"evidence": EVIDENCE},
        ),
    ),
    "ballot.1": Kind("once", _COOP, fields({"roster": ID, "ranking": array(ascending(ID, 64, 1), 64)})),
    "deal.1": Kind(
        "once",
        _COOP,
        fields({"roster": ID, "deal": DEAL, "rfq": ID, "keys": array(SEALED, MEMBERS_MAX + WITNESSES_MAX, 1)}),
    ),
    "unopened.1": Kind("once", _COOP, fields({"rfq": ID, "place": PLACE})),
    "opening.1": Kind("once", _COOP, fields({"rfq": ID, "place": PLACE, "key": SEALED})),
    "heartbeat.1": Kind("latest", _COOP, fields({"roster": ID, "term": TERM})),
    "lease.1": Kind("latest", _COOP, fields({"roster": ID, "term": TERM, "until": TIME})),
    "recall.1": Kind("once", _COOP, fields({"roster": ID, "term": TERM, "reason": RECALL_REASONS, "remark": text()})),
    "end.1": Kind("once", _COOP, fields({"roster": ID, "term": TERM, "cause": one_of("dark", "recalled")})),
    "mandate.1": Kind(
        "once",
        _DEAL,
        fields({"rfq": ID, "mandate": data(1, 2000), "certificate": array(RAW, WITNESSES_MAX, 1)}),
    ),
    # 08-negotiation
    "headline.1": Kind(
        "once",
        _BOARD,
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
        _DEAL,
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
            {"subject": SUBJECT},
        ),
    ),
    "query.1": Kind("once", _DEAL, fields({"rfq": ID, "text": text(least=1)})),
    "reply.1": Kind("once", _DEAL, fields({"rfq": ID, "query": ID, "text": text(least=1)})),
    "suggestion.1": Kind(
        "once",
        _DEAL,
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
        _DEAL,
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
    "adoption.1": Kind("once", _COOP, fields({"deal": DEAL, "suggestions": ascending(ID, 64)})),
    "answer.1": Kind(
        "once", _COOP, fields({"rfq": ID, "serves": array(pair(ID, integer(1, 10**9)), PARTS_MAX, 1)})
    ),
    "quotation.1": Kind(
        "once",
        _DEAL,
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
        "once", _DEAL, fields({"rfq": ID, "manifest": ID, "shares": array(pair(ID, SEALED), BIDS_MAX)})
    ),
    "commitment.1": Kind(
        "once",
        _DEAL,
        fields(
            {
                "rfq": ID,
                "award": ID,
                "answer": one_of("commit", "decline"),
                "reason": REASONS,
                "remark": text(),
                **_NUMBERS,
            },
            {"supplier": ID},
        ),
    ),
    # 09-accountability
    "countersign.1": Kind("once", _DEAL, fields({"rfq": ID, "agreement": ID})),
    "event.1": Kind(
        "none",
        _DEAL,
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
        _DEAL,
        fields({"agreement": ID, "member": ID, "ends": TIME, "reason": REASONS, "remark": text()}),
    ),
    "substitute.1": Kind(
        "none",
        _DEAL,
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
    "consent.1": Kind("once", _DEAL, fields({"substitute": ID, "answer": one_of("consent", "refuse")})),
    "renewal.1": Kind(
        "once",
        _DEAL,
        fields({"rfq": ID, "answer": one_of("renew", "change", "leave"), "reason": REASONS, "remark": text()}),
    ),
    "attestation.1": Kind(
        "once",
        _TRUST,
        fields(
            {
                "subject": ID,
                "role": one_of("supplier", "member", "negotiator"),
                "agreement": ID,
                "outcome": one_of("kept", "broken"),
                "dimensions": table(one_of("promise", "time", "quality", "communication"), integer(1, 5), 4),
                "evidence": array(RAW, 4),
                "remark": text(),
            }
        ),
    ),
    "vouch.1": Kind("once", _TRUST, fields({"subject": ID})),
    "fault.1": Kind("once", _TRUST, fields({"first": RAW, "second": RAW})),
    # 15-relay
    "policy.1": Kind(
        "latest",
        _TRUST,
        fields(
            {
                "contact": text(200, 1),
                "languages": ascending(slug(12), 16),
                "admits": one_of("all", "listed"),
                "retention_ms": TIME,
                "limits": table(one_of(*POLICY_LIMITS), integer(), len(POLICY_LIMITS)),
                "peers": ascending(text(128, 1), 16),
                "words": text(),
                "language": slug(12),
            }
        ),
    ),
    "notice.1": Kind(
        "latest",
        _TRUST,
        fields(
            {
                "about": one_of("persona", "peer", "scope"),
                "subject": text(200, 1),
                "reason": NOTICE_REASONS,
                "until": TIME,
                "state": one_of("stands", "withdrawn"),
            }
        ),
    ),
    "mail.1": Kind("none", _MAIL, fields({"sealed": data(560, 2608)})),
}
