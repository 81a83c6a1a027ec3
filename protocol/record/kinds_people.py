"""Kinds that are said of oneself and of others: persona, intent, attestation, a relay's policy, mail.

Decides shapes only; never what follows from a record. Spec: 01-record, REC-11; 02-identity, 04-intent,
09-accountability, 15-relay.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.params import WITNESSES_MAX
from protocol.record.kinds_attest import ROLES
from protocol.record.schema import array, ascending, data, fields, integer, one_of, pair, slug, table, text
from protocol.record.shapes import (
    BOARD_SCOPE,
    COUNT,
    ID,
    MAIL_SCOPE,
    MONEY,
    NOTICE_REASONS,
    POLICY_LIMITS,
    RAW,
    REQUIREMENTS,
    SUBJECT,
    TERMS,
    TIME,
    TRUST_SCOPE,
    Kind,
)

PEOPLE_KINDS: Mapping[str, Kind] = {
    # 02-identity
    "persona.1": Kind("once", TRUST_SCOPE, fields({"recovery": ID})),
    # 04-intent
    "intent.1": Kind(
        "latest",
        BOARD_SCOPE,
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
            {
                "requirements": REQUIREMENTS,
                "band_minor": array(MONEY, 2, 2),
                "subject": SUBJECT,
                "words": text(280, 1),
                "near": slug(8),
            },
        ),
    ),
    "profile.1": Kind("latest", BOARD_SCOPE, fields({"label": text(80, 1), "terms": TERMS}, {"domain": text(253, 4)})),
    "pledge-marker.1": Kind("latest", BOARD_SCOPE, fields({"intent": ID, "roster": ID})),
    "commitment-marker.1": Kind("once", BOARD_SCOPE, fields({"intent": ID, "roster": ID})),
    # 09-accountability
    "attestation.1": Kind(
        "once",
        TRUST_SCOPE,
        fields(
            {
                "subject": ID,
                "role": one_of(*ROLES),
                "agreement": ID,
                "outcome": one_of("kept", "broken"),
                "dimensions": table(one_of("promise", "time", "quality", "communication"), integer(1, 5), 4),
                "evidence": array(RAW, 4 + WITNESSES_MAX),
                "remark": text(),
            },
            {"salt": data(16)},
        ),
    ),
    "vouch.1": Kind("once", TRUST_SCOPE, fields({"subject": ID})),
    "fault.1": Kind("once", TRUST_SCOPE, fields({"first": RAW, "second": RAW})),
    "default.1": Kind(
        "once",
        TRUST_SCOPE,
        fields({"quotation": RAW, "shares": array(pair(integer(0, WITNESSES_MAX - 1), ID), WITNESSES_MAX, 1)}),
    ),
    # 15-relay
    "policy.1": Kind(
        "latest",
        TRUST_SCOPE,
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
        TRUST_SCOPE,
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
    "mail.1": Kind("none", MAIL_SCOPE, fields({"sealed": data(560, 2608)})),
}
