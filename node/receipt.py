"""What the file about one record that somebody handed in shows, in one sentence (`wltm verify`).

Decides words only. Spec: 07-election, ELE-50 to ELE-53 and ELE-65; 13-node, CLI-9.
"""

from __future__ import annotations

from typing import Any

from node.present import short
from protocol.coop.election import Ranking
from protocol.deal.inclusion import Inclusion, verify
from protocol.errors import Reject
from protocol.sealing import Void


def verify_receipt(data: bytes) -> tuple[dict[str, Any], str]:
    """{"ok", "state", …} and the same in words; without "ok" the "error" with its clause."""
    try:
        found = verify(data)
    except Reject as error:
        wrong = {"code": error.code, "message": error.message}
        return {"ok": False, "error": wrong}, f"✗ {error.message} [{error.code}]"
    plain = {
        "ok": True,
        "state": found.state,
        "question": found.question,
        "record": found.record.id.hex(),
        "kind": found.record.kind,
        "author": found.record.author.hex(),
        "receipts": [key.hex() for key in found.receipts],
        "signers": [key.hex() for key in found.signers],
        "listed": found.listed,
    }
    match found.opened:
        case Void(code, message):
            plain["void"] = {"code": code, "message": message}
        case tuple() as ranking:
            plain["ranking"] = [[key.hex() for key in tier] for tier in ranking]
    return plain, in_words(found)


def in_words(found: Inclusion) -> str:
    """One sentence, and for whoever was left out a second."""
    name, witnesses = found.record.kind.partition(".")[0], len(found.council.witnesses)
    whose = f"The {name} {short(found.record.id.hex())} of {short(found.record.author.hex())}"
    had = ", ".join(short(key.hex()) for key in found.receipts)
    match found.state:
        case "listed":
            return (
                f"✓ {whose} is one of the {found.listed} that {len(found.signers)} of {witnesses} witnesses certified:"
                f" it counts, unless its author signed two that are both listed. [DEC-14]{_opened(found.opened)}"
            )
        case "left out":
            both = ", ".join(short(key.hex()) for key in found.receipts if key in found.signers) or "none"
            return (
                f"✓ {whose} is left out of the {found.listed} that were certified, though {len(found.receipts)} of"
                f" {witnesses} witnesses signed that they had it in time: {had}. [DEC-15]\n"
                f"Of them these signed the list without it: {both}. [DEC-17]"
            )
    return f"✓ {whose} was handed in in time: {len(found.receipts)} of {witnesses} witnesses signed so: {had}. [DEC-15]"


def _opened(opened: Ranking[bytes] | Void | None) -> str:
    """The line about what the witnesses' shares make of a ballot."""
    match opened:
        case None:
            return ""
        case Void(code, message):
            return f"\n✓ It is void for everybody: {message} [{code}]"
    tiers = " > ".join(" = ".join(short(key.hex()) for key in tier) for tier in opened) or "nobody in particular"
    return f"\n✓ The witnesses' certified shares open it as: {tiers}. [ELE-65]"
