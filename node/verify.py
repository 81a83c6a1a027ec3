"""The command `wltm verify`: a bundle's file, step by step, for people and for programs.

Decides how a verification is shown; never how it is made. Spec: 12-bundle, BUN-11; 13-node, CLI-9.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from node.present import money, short
from node.receipt import verify_receipt
from protocol.deal.bundle import verify
from protocol.deal.holding import Step
from protocol.deal.inclusion import looks_like
from protocol.deal.proof import Proof
from protocol.errors import CommandError, Reject
from protocol.params import BUNDLE_BYTES_MAX


def verify_file(path: Path) -> tuple[dict[str, Any], str]:
    """{"ok", "steps", …} and the same in words. Raises CommandError BUN-2 for a file that cannot be read as a bundle.

    With "ok": what was agreed; without: "error" with the clause of the first step that is off.
    """
    data, steps = content(path), list[Step]()
    if looks_like(data):
        return verify_receipt(data)
    try:
        proof = verify(data, steps.append)
    except Reject as error:
        found: dict[str, Any] = {"ok": False, "error": {"code": error.code, "message": error.message}}
        last = f"✗ {error.message} [{error.code}]"
    else:
        found = {"ok": True} | agreed(proof)
        bought = [
            f"{one['served']} members buy from {short(one['supplier'])}"
            f" at {money(one['unit_price_minor'], found['currency'])} a unit"
            for one in found["agreements"]
        ]
        last = f"The deal holds: {'; '.join(bought)}."
    lines = [f"✓ {step.name}: {step.sentence} [{step.clause}]" for step in steps]
    return found | {"steps": [asdict(step) for step in steps]}, "\n".join([*lines, last])


def content(path: Path) -> bytes:
    """The bytes of a file no larger than a bundle. Raises CommandError BUN-2."""
    try:
        with path.open("rb") as file:
            data = file.read(BUNDLE_BYTES_MAX + 1)
    except OSError as error:
        raise CommandError("BUN-2", f"{path}: cannot be read ({error.strerror or error})") from None
    if len(data) > BUNDLE_BYTES_MAX:
        raise CommandError("BUN-2", f"{path}: larger than {BUNDLE_BYTES_MAX} bytes; is it a bundle?")
    return data


def agreed(proof: Proof) -> dict[str, Any]:
    """What a verified bundle amounts to, in plain values; keys, ids and hashes in hexadecimal."""
    coop, deal = proof.coop, proof.deal
    assert deal.award is not None
    answers = [(one.author.hex(), one.body) for one in deal.commitments]
    return {
        "network": proof.network.hex(),
        "coop": coop.hash[:16].hex(),
        "deal": deal.mandate.deal.hex(),
        "roster": coop.roster.hex(),
        "members": len(coop.members),
        "negotiator": deal.mandate.negotiator.hex(),
        "term": deal.mandate.term,
        "refused": [{"supplier": key.hex(), "clause": code} for key, code in deal.award.refused],
        "declined": [{"member": key, "reason": body["reason"]} for key, body in answers if body["answer"] == "decline"],
        "agreements": [
            {
                "agreement": one.hash.hex(),
                "supplier": one.supplier.hex(),
                "quantity": one.allocation.quantity,
                "served": len(one.allocation.shares),
                "shares": {member.hex(): quantity for member, quantity in one.allocation.shares},
                "unit_price_minor": one.allocation.unit_price_minor,
            }
            for one in deal.agreements
        ],
        "currency": proof.template.currency,
        "records": len(proof.records),
    }
