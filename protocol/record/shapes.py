"""What the bodies of several kinds have in common, and what a kind is.

Decides shapes only. Spec: 01-record, REC-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from protocol.params import (
    EVIDENCE_BYTES_MAX,
    EVIDENCE_MAX,
    MEDIATORS_MAX,
    MEMBERS_MAX,
    STAKES_MAX,
    SUBJECT_MAX,
    WITNESSES_MAX,
)
from protocol.record.schema import Rule, array, ascending, data, fields, integer, one_of, slug, table, text

Mode = Literal["once", "latest", "none"]


@dataclass(frozen=True, slots=True)
class Kind:
    """Where a kind lives (scope families), how it fills a slot, and its body's shape."""

    mode: Mode
    families: tuple[str, ...]
    body: Rule


ID = data(32)  # of a record, a value or a persona
RAW = data(1, 20_000)  # a whole foreign record, as its author signed it
# Whole foreign records, so few and small that they fit beside an intent.
EVIDENCE = array(data(1, EVIDENCE_BYTES_MAX), EVIDENCE_MAX)
DEAL = data(16)
MONEY = integer()
COUNT = integer(0, 10**9)
TIME = integer()
SEALED = data(80)  # 32 bytes in a sealed box (IDN-8)
PLACE = integer(0, MEMBERS_MAX + WITNESSES_MAX - 1)
QUESTION = text(64, 1)
REGION = slug(8)
TERMS = ascending(slug(64), 8)  # CNS-2
PURPOSES = ("billing", "delivery", "offers", "renewal", "research", "support")  # CNS-1
FIELDS = ("address", "contact", "name", "notes")  # CNS-1
ATTRIBUTES = table(slug(), integer(-(10**9), 10**9), 16)
REQUIREMENTS = array(
    fields(
        {"attribute": slug(), "operator": one_of("at-least", "at-most", "equal"), "value": integer(-(10**9), 10**9)}
    ),
    8,
)
INTERESTS = ascending(one_of("employed", "family", "fee", "none", "owns", "other"), 6)
STAKES = fields({"value_minor": integer(1, STAKES_MAX), "prepaid_percent": integer(0, 100)})  # RSK-1
MEDIATORS = ascending(ID, MEDIATORS_MAX, 1)  # RMD-14
REASONS = one_of("", "changed-mind", "excluded-supplier", "found-better", "other", "price", "terms", "timing")
POLICY_LIMITS = tuple("author_bytes author_records mail_bytes mail_ms mail_records scope_bytes stored_bytes".split())
NOTICE_REASONS = one_of("flood", "fraud", "harm", "illegal", "other", "privacy", "request", "spam")
SUBJECT = slug(SUBJECT_MAX)  # TPL-15
TIMES = fields(
    {name: integer(1, 10**11) for name in ("join_ms", "pledge_ms", "nominate_ms", "ballot_ms", "deal_ms")}
    | {name: integer(1, 10**11) for name in ("quote_ms", "reveal_ms", "commit_ms")}
    | {name: integer(1, 10**11) for name in ("settle_ms", "round_ms", "mandate_ms", "retention_ms")},
    # Stages that a charter may do without: where the window is not named, the stage is not there.
    {name: integer(1, 10**11) for name in ("suggest_ms", "final_ms", "answer_ms", "repair_ms", "lease_ms", "renew_ms")}
    | {name: integer(1, 10**11) for name in ("attest_ms", "voice_ms", "mediate_ms")},
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
BOARD_SCOPE, COOP_SCOPE, DEAL_SCOPE, TRUST_SCOPE, MAIL_SCOPE = ("board",), ("coop",), ("deal",), ("trust",), ("mail",)
NUMBERS: Mapping[str, Rule] = {"want": COUNT, "tolerate": COUNT, "least": COUNT, "price_max_minor": MONEY}
