"""What a supplier's node does by itself in a deal: quote and reveal by its standing rule, countersign what was agreed.

Decides what the supplier's standing orders already decided; never reads a co-op. Spec: 08-negotiation, NEG-35 to NEG-44 and
09-accountability, AGR-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.deal.life import Deal
from protocol.deal.negotiation import NONCE_BYTES, commit_hash
from protocol.deal.offer import Seller, from_flat, quote
from protocol.deal.request import request_of
from protocol.encoding import decode, encode
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.errors import CommandError, Reject
from protocol.identity import Persona, encrypt, seal
from protocol.record.record import Slot

KEY_BYTES = 32


def attend(core: Core, context: Context) -> None:
    """Look at the deal again as a supplier."""
    deal = context.deal(core.settings)
    if deal is not None and core.now < deal.rfq.header.expires:
        _supply(core, context, deal)


def _supply(core: Core, context: Context, deal: Deal) -> None:
    """A supplier's part: quote while the box is open, reveal when it is certified, countersign what was agreed."""
    rfq, board = deal.rfq.body, f"{deal.rfq.body['category']}/{deal.rfq.body['region']}"
    kept = core.facts.get(f"prices/{board}")
    if kept is None or deal.rfq.author in core.personas:
        return
    persona = core.me
    fact = f"quote/{context.scope}"
    if deal.state == "asked" and core.now < deal.quote_until and fact not in core.facts:
        _quote(core, context, deal, persona, decode(kept))
    own = [one for one in deal.quotations if one.author == persona.key]
    if (
        deal.state == "quoted"
        and own
        and fact in core.facts
        and not context.log.slot("reveal.1", persona.key, "reveal")
    ):
        nonce, data = decode(core.facts[fact])
        if nonce:
            _reveal(core, context, deal, persona, nonce, data, list(rfq["boxes"]))
    award = deal.award
    signed = context.log.slot("countersign.1", persona.key, "countersign")
    if award is not None and deal.agreement_hash and award.supplier == persona.key and not signed:
        body = {"rfq": deal.rfq.id, "agreement": deal.agreement_hash}
        slot, until = Slot("once", "countersign", 0), deal.rfq.header.expires
        core.say(persona, "countersign.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))


def _quote(core: Core, context: Context, deal: Deal, persona: Persona, prices: Mapping[str, Any]) -> None:
    template = core.settings.templates.get(deal.rfq.body["template"])
    fact = f"quote/{context.scope}"
    if template is None:
        return
    seller = Seller(persona.key, prices["identity"], tuple(prices["terms"]))
    try:
        offers = from_flat(prices["rows"], template)
        quotation = quote(offers, request_of(deal, template), deal.rfq.body["quantity"], seller)
    except CommandError as error:
        core.keep(fact, encode([b"", b""]))
        core.notify("unquoted", deal=deal.mandate.deal, code=error.code, message=error.message)
        return
    nonce, data = core.entropy(NONCE_BYTES), quotation.to_bytes()
    core.keep(fact, encode([nonce, data]))
    body = {"rfq": deal.rfq.id, "commit": commit_hash(deal.rfq.id, persona.key, nonce, data)}
    slot, until = Slot("once", "quotation", 0), deal.rfq.header.expires
    core.say(persona, "quotation.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))


def _reveal(
    core: Core, context: Context, deal: Deal, persona: Persona, nonce: bytes, data: bytes, boxes: list[bytes]
) -> None:
    """One content key, sealed to every box the request names (NEG-44)."""
    key = core.entropy(KEY_BYTES)
    manifest = next(one for name, one in deal.decided.items() if name.startswith("quotations/"))
    body = {
        "rfq": deal.rfq.id,
        "manifest": manifest.value_hash,
        "cipher": encrypt(encode([nonce, data]), key, deal.rfq.id + persona.key),
        "keys": [_sealed(core, key, box) for box in boxes],
    }
    slot, until = Slot("once", "reveal", 0), deal.rfq.header.expires
    core.say(persona, "reveal.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))


def _sealed(core: Core, key: bytes, box: bytes) -> bytes:
    """A sealed content key; a box key that is no usable point gets bytes that open for nobody."""
    try:
        return seal(key, box, core.entropy)
    except Reject:
        return core.entropy(KEY_BYTES + 48)
