"""What a supplier's node does by itself in a deal: quote by its standing rule, countersign what was agreed.

Decides what the supplier's standing orders already decided; never reads a co-op. Spec: 16-supplier;
08-negotiation, NEG-43 and NEG-44.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.deal.life import Deal
from protocol.deal.negotiation import NONCE_BYTES, commit_hash
from protocol.deal.offer import Seller, from_flat, quote
from protocol.deal.request import request_of
from protocol.deal.tender import seal_quotation
from protocol.encoding import decode, encode
from protocol.engine.context import Context
from protocol.engine.coop.floor import find_question
from protocol.engine.core import Core
from protocol.errors import CommandError
from protocol.identity import Persona
from protocol.record.record import Slot


def attend(core: Core, context: Context) -> None:
    """Look at the deal again as a supplier."""
    deal = context.deal(core.settings)
    if deal is not None and core.now < deal.rfq.header.expires:
        _supply(core, context, deal)


def _supply(core: Core, context: Context, deal: Deal) -> None:
    """A supplier's part: quote while the box is open, countersign what was agreed. Opening is not its choice."""
    board = f"{deal.rfq.body['category']}/{deal.rfq.body['region']}"
    kept = core.facts.get(f"prices/{board}")
    if kept is None or deal.rfq.author in core.personas:
        return
    persona = core.me
    fact = f"quote/{context.scope}"
    asking = find_question(deal.open, "quotations") is not None
    if asking and core.now < deal.quote_until and fact not in core.facts:
        _quote(core, context, deal, persona, decode(kept))
    agreed = deal.agreement_with(persona.key)
    if agreed is not None and not context.log.slot("countersign.1", persona.key, "countersign"):
        body = {"rfq": deal.rfq.id, "agreement": agreed.hash}
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
    sealed = seal_quotation(deal.rfq, persona.key, nonce, data, core.entropy)
    body = {"rfq": deal.rfq.id, "commit": commit_hash(deal.rfq.id, persona.key, nonce, data)} | sealed.to_mapping()
    slot, until = Slot("once", "quotation", 0), deal.rfq.header.expires
    core.say(persona, "quotation.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))
