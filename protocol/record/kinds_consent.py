"""Kinds by which a member lets somebody know something, and takes it back.

Decides shapes only; never what follows from a record. Spec: 01-record, REC-11; 16-supplier, 20-consent.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.params import DETAIL_BYTES
from protocol.record.schema import ascending, data, fields, one_of
from protocol.record.shapes import DEAL_SCOPE, FIELDS, ID, PURPOSES, TERMS, TIME, Kind

CONSENT_KINDS: Mapping[str, Kind] = {
    # 16-supplier
    "intake.1": Kind("once", DEAL_SCOPE, fields({"agreement": ID, "box": ID})),
    "detail.1": Kind("latest", DEAL_SCOPE, fields({"agreement": ID, "rel": ID, "sealed": data(0, DETAIL_BYTES + 48)})),
    # 20-consent
    "rel.1": Kind(
        "once",
        DEAL_SCOPE,
        fields(
            {
                "agreement": ID,
                "terms": TERMS,
                "purposes": ascending(one_of(*PURPOSES), len(PURPOSES), 1),
                "fields": ascending(one_of(*FIELDS), len(FIELDS), 1),
                "until": TIME,
            }
        ),
    ),
    "revoke.1": Kind("once", DEAL_SCOPE, fields({"agreement": ID, "rel": ID})),
    "usage.1": Kind(
        "once",
        DEAL_SCOPE,
        fields({"agreement": ID, "rel": ID, "member": ID, "act": one_of("received", "erased", *PURPOSES)}),
    ),
}
