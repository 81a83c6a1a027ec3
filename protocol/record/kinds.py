"""The vocabulary of the network: every kind of record, on one screen.

Decides for each kind where it may be said, whether it fills a slot, and the shape of its body; never what follows.
A version of a kind never changes its rules; a new rule is a new version. Spec: 01-record, REC-11, and the document
named beside each group.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.record.kinds_attest import ATTEST_KINDS
from protocol.record.kinds_consent import CONSENT_KINDS
from protocol.record.kinds_coop import COOP_KINDS
from protocol.record.kinds_deal import DEAL_KINDS
from protocol.record.kinds_keeping import KEEPING_KINDS
from protocol.record.kinds_people import PEOPLE_KINDS
from protocol.record.kinds_persona import PERSONA_KINDS
from protocol.record.kinds_remedy import REMEDY_KINDS
from protocol.record.kinds_room import ROOM_KINDS
from protocol.record.shapes import Kind

KINDS: Mapping[str, Kind] = {
    **PEOPLE_KINDS,
    **PERSONA_KINDS,
    **ATTEST_KINDS,
    **COOP_KINDS,
    **DEAL_KINDS,
    **CONSENT_KINDS,
    **REMEDY_KINDS,
    **ROOM_KINDS,
    **KEEPING_KINDS,
}
