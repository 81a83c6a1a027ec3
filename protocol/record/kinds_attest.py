"""Kinds by which two sides attest each other blind: what each seals, and what the witnesses give to open it.

Decides shapes only; never what follows from a record. Spec: 01-record, REC-11; 09-accountability, ATT-9 to ATT-16.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.params import ATTESTATION_BLOCK_BYTES, ATTESTATION_BLOCKS_MAX, RECEIPT_IDS_MAX, WITNESSES_MAX
from protocol.record.schema import array, data, fields, one_of, pair
from protocol.record.shapes import DEAL_SCOPE, ID, SEALED, Kind

RELATIONS = ("supplier", "negotiator", "relay")  # what one of the two was to the other, and both speak of it
ROLES = (*RELATIONS, "mediator", "member")

ATTEST_KINDS: Mapping[str, Kind] = {
    # 09-accountability
    "assessment.1": Kind(
        "once",
        DEAL_SCOPE,
        fields(
            {
                "rfq": ID,
                "relation": one_of(*RELATIONS),
                "role": one_of(*RELATIONS, "member"),
                "subject": ID,
                "attestation": ID,
                "cipher": data(ATTESTATION_BLOCK_BYTES + 16, ATTESTATION_BLOCKS_MAX * ATTESTATION_BLOCK_BYTES + 16),
                "shares": array(pair(SEALED, ID), WITNESSES_MAX, 1),
            }
        ),
    ),
    "release.1": Kind("none", DEAL_SCOPE, fields({"rfq": ID, "shares": array(pair(ID, ID), RECEIPT_IDS_MAX, 1)})),
}
