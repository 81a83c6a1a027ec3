"""Name and address, from a member to the supplier that delivers: sealed, asked for, and taken back.

Decides what is sealed to whom and what a supplier can read; never sends anything that its person did not name a deal
for, nor what no two halves allow. Spec: 16-supplier, SUP-31 to SUP-34; 20-consent, CNS-13.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from protocol import commands as ask
from protocol.deal.award import Agreement
from protocol.deal.life import Deal, deal_scope
from protocol.encoding import decode, encode
from protocol.engine.consent import all_flows, own_flows
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.engine.deal.shop import shop, tell
from protocol.errors import CommandError, NotNow, Reject, Silent
from protocol.identity import box_key, seal, unseal
from protocol.params import DETAIL_BYTES
from protocol.record.record import Record, Slot
from protocol.trust.consent import Flow

FACT = "details"
_FIELDS = {"name": 120, "address": 300, "contact": 120, "notes": 300}  # bytes at most
GONE = ("delivered", "cancelled", "ended", "defaulted")  # then nobody needs an address any more


def attend(core: Core, context: Context) -> None:
    """Ask for details as a supplier who signed, count what came; take own ones back when the deal is over."""
    deal = context.deal(core.settings)
    if deal is None or core.now >= deal.rfq.header.expires:
        return
    mine = deal.agreement_with(core.me.key)
    if mine is not None and context.log.slot("countersign.1", core.me.key, "countersign"):
        _ask(core, context, deal, mine)
        came = len(read(core, context, mine))
        row = shop(core).deals.get(context.scope)
        if row is not None and row.get("details", 0) != came:
            row["details"] = came
            core.keep(f"supply/deal/{context.scope}", encode(row))
            tell(core, "details", deal.mandate.deal.hex(), {"came": came, "of": len(mine.allocation.shares)})
    if deal.state in GONE:
        for key in core.personas:
            agreed = deal.agreement_of(key)
            for flow in own_flows(context, agreed, key) if agreed is not None else ():
                if flow.held and flow.plain:
                    _empty(core, context, deal, flow)


def _empty(core: Core, context: Context, deal: Deal, flow: Flow) -> None:
    try:
        say_detail(core, context, deal, flow, b"")
    except Silent:  # KEP-11: when this device signs again
        return


def _ask(core: Core, context: Context, deal: Deal, agreed: Agreement) -> None:
    """SUP-31: where members' details are to be sealed to, once."""
    if not context.log.slot("intake.1", core.me.key, "intake"):
        body = {"agreement": agreed.hash, "box": box_key(core.me.box_seed(b"intake" + agreed.hash))}
        slot, until = Slot("once", "intake", 0), deal.rfq.header.expires
        core.volunteer(core.me, "intake.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))


def read(core: Core, context: Context, agreed: Agreement) -> dict[bytes, dict[str, str]]:
    """Member -> details that this supplier can open and may read; others count for nothing (SUP-33, CNS-13)."""
    seed = core.me.box_seed(b"intake" + agreed.hash)
    found: dict[bytes, dict[str, str]] = {}
    for flow in all_flows(context, agreed):
        told = _open(flow, seed) if flow.held and flow.state(core.now) == "agreed" else {}
        if told:
            before = found.get(flow.member, {})
            found[flow.member] = {name: before.get(name) or told.get(name, "") for name in _FIELDS}
    return found


def _open(flow: Flow, seed: bytes) -> dict[str, str]:
    """What a member sealed under a use that both agreed on, the fields of that use alone."""
    assert flow.detail is not None
    try:
        padded = unseal(flow.detail.body["sealed"], seed)
        content = decode(padded[2 : 2 + int.from_bytes(padded[:2], "big")])
        if (content["agreement"], content["member"], content["rel"]) != (
            flow.body["agreement"],
            flow.member,
            flow.rel,
        ):
            return {}
        return {name: str(content[name]) for name in _FIELDS if name in flow.body["fields"]}
    except (Reject, KeyError, TypeError):
        return {}


def set_details(core: Core, command: ask.SetDetails) -> dict[str, Any]:
    """Keep them at home."""
    details = {name: getattr(command, name) for name in _FIELDS}
    for name, most in _FIELDS.items():
        text = details[name]
        if len(text.encode()) > most or any(not (one.isprintable() or one == "\n") for one in text):
            raise CommandError("SUP-32", f"{name}: at most {most} bytes of text without control characters")
    core.keep(FACT, encode(details))
    return details


def details(core: Core) -> dict[str, Any]:
    """As they are kept."""
    kept = core.facts.get(FACT)
    found: dict[str, Any] = decode(kept) if kept else {}
    return found


def send_under(core: Core, context: Context, deal: Deal, flow: Flow) -> Record:
    """Seal for the supplier what a use names, once both halves stand. Raises NotNow or CommandError."""
    kept = core.facts.get(FACT)
    if kept is None:
        raise CommandError("SUP-32", "details: there are none yet; say them by `wltm details set`")
    box = box_of(context, flow.supplier, flow.body["agreement"])
    if box is None:
        raise NotNow("SUP-31", "details: the supplier of your agreement has not signed and asked for them (yet)")
    told = {name: text if name in flow.body["fields"] else "" for name, text in decode(kept).items()}
    content = encode({"agreement": flow.body["agreement"], "member": flow.member, "rel": flow.rel} | told)
    padded = (len(content).to_bytes(2, "big") + content).ljust(DETAIL_BYTES, b"\0")
    try:
        sealed = seal(padded, box, core.entropy)
    except Reject as error:
        raise CommandError(error.code, "details: the supplier's key is none") from None
    return say_detail(core, context, deal, flow, sealed)


def box_of(context: Context, supplier: bytes, agreement: bytes) -> bytes | None:
    """Where a supplier wants details of an agreement sealed to."""
    held = context.log.slot("intake.1", supplier, "intake")
    return next((one.body["box"] for one in held if one.body["agreement"] == agreement), None)


def say_detail(core: Core, context: Context, deal: Deal, flow: Flow, sealed: bytes) -> Record:
    """The next version of what a member seals under a use; b"" takes it back."""
    before = flow.detail
    seq = before.header.slot.seq + 1 if before is not None and before.header.slot else 0
    body = {"agreement": flow.body["agreement"], "rel": flow.rel, "sealed": sealed}
    slot, until = Slot("latest", f"detail/{flow.number}", seq), deal.rfq.header.expires
    persona = core.personas[flow.member]
    return core.say(persona, "detail.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,), human=True)


def own_agreement(core: Core, deal: bytes) -> tuple[Context, Deal, bytes]:
    """A deal in whose agreement an own persona has a share, and which. Raises CommandError or NotNow."""
    context = core.contexts.get(deal_scope(deal))
    view = context.deal(core.settings) if context is not None else None
    if context is None or view is None:
        raise CommandError("NEG-40", f"deal: {deal.hex()[:8]} is not known here (yet)")
    member = next((key for key in core.personas if view.agreement_of(key) is not None), None)
    if member is None:
        raise NotNow("SUP-31", f"details: you have no share in an agreement here (the deal is {view.state})")
    return context, view, member


COMMANDS: Mapping[type, Callable[[Core, Any], Any]] = {
    ask.SetDetails: set_details,
    ask.AskDetails: lambda core, _: details(core),
}
