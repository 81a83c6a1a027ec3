"""Name and address, from a member to the supplier that delivers: sealed, asked for, and taken back.

Decides what is sealed to whom and what a supplier can read; never sends anything that its person did not name a deal
for. Spec: 16-supplier, SUP-31 to SUP-34.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from protocol import commands as ask
from protocol.deal.award import Agreement
from protocol.deal.life import Deal, deal_scope
from protocol.encoding import decode, encode
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.engine.deal.shop import shop, tell
from protocol.errors import CommandError, NotNow, Reject
from protocol.identity import box_key, seal, unseal
from protocol.params import DETAIL_BYTES
from protocol.record.record import Record, Slot

FACT = "details"
_FIELDS = {"name": 120, "address": 300, "contact": 120, "notes": 300}  # bytes at most
_GONE = ("delivered", "cancelled", "ended", "defaulted")  # then nobody needs an address any more


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
    if deal.state in _GONE:
        for key in core.personas:
            if _sent(context, key) and deal.agreement_of(key) is not None:
                _say(core, context, deal, key, b"")


def _ask(core: Core, context: Context, deal: Deal, agreed: Agreement) -> None:
    """SUP-31: where members' details are to be sealed to, once."""
    if not context.log.slot("intake.1", core.me.key, "intake"):
        body = {"agreement": agreed.hash, "box": box_key(core.me.box_seed(b"intake" + agreed.hash))}
        slot, until = Slot("once", "intake", 0), deal.rfq.header.expires
        core.say(core.me, "intake.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))


def read(core: Core, context: Context, agreed: Agreement) -> dict[bytes, dict[str, str]]:
    """Member -> details that this supplier can open; what is not the member's own counts for nothing (SUP-33)."""
    seed = core.me.box_seed(b"intake" + agreed.hash)
    found = {}
    for member, _ in agreed.allocation.shares:
        record = _sent(context, member)
        if record is None or record.body["agreement"] != agreed.hash:
            continue
        try:
            padded = unseal(record.body["sealed"], seed)
            content = decode(padded[2 : 2 + int.from_bytes(padded[:2], "big")])
            if content["agreement"] == agreed.hash and content["member"] == member:
                found[member] = {name: str(content[name]) for name in _FIELDS}
        except (Reject, KeyError, TypeError):
            continue
    return found


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


def send(core: Core, command: ask.SendDetails) -> dict[str, Any]:
    """Seal them for the supplier who asked, in the member's own agreement."""
    context, deal, member = _mine(core, command.deal)
    agreed = deal.agreement_of(member)
    kept = core.facts.get(FACT)
    if kept is None:
        raise CommandError("SUP-32", "details: there are none yet; say them by `wltm details set`")
    asked = _asked(context, agreed) if agreed is not None else None
    if agreed is None or asked is None:
        raise NotNow("SUP-31", "details: the supplier of your agreement has not signed and asked for them (yet)")
    if deal.state in _GONE:
        raise NotNow("SUP-34", f"details: this deal is {deal.state}; nobody needs them any more")
    content = encode({"agreement": agreed.hash, "member": member} | decode(kept))
    padded = (len(content).to_bytes(2, "big") + content).ljust(DETAIL_BYTES, b"\0")
    try:
        sealed = seal(padded, asked.body["box"], core.entropy)
    except Reject as error:
        raise CommandError(error.code, "details: the supplier's key is none") from None
    return {"id": _say(core, context, deal, member, sealed).id, "supplier": agreed.supplier}


def blank(core: Core, command: ask.BlankDetails) -> dict[str, Any]:
    """Replace what was sent by nothing (SUP-34)."""
    context, deal, member = _mine(core, command.deal)
    if not _sent(context, member):
        raise NotNow("SUP-34", "details: none of yours are there")
    return {"id": _say(core, context, deal, member, b"").id}


def member_needs(core: Core) -> list[dict[str, Any]]:
    """Suppliers that ask for the details of an own persona."""
    found = []
    for context in core.contexts.values():
        deal = context.deal(core.settings) if context.family == "deal" else None
        for key in core.personas if deal is not None and deal.state not in _GONE else ():
            agreed = deal.agreement_of(key) if deal is not None else None
            if deal is None or agreed is None or _asked(context, agreed) is None or _held(context, key):
                continue
            says = "Your supplier asks for name and address; they are sealed, and only it can read them."
            base = {"id": deal.mandate.deal, "deal": deal.mandate.deal, "coop": deal.mandate.charter[:16]}
            more = {"kind": "details", "until": deal.rfq.header.expires, "supplier": agreed.supplier}
            found.append(base | more | {"says": says, "silence": "It does not learn where to deliver."})
    return found


def _asked(context: Context, agreed: Agreement) -> Record | None:
    held = context.log.slot("intake.1", agreed.supplier, "intake")
    return next((one for one in held if one.body["agreement"] == agreed.hash), None)


def _held(context: Context, member: bytes) -> tuple[Record, ...]:
    return tuple(context.log.slot("detail.1", member, "detail"))


def _sent(context: Context, member: bytes) -> Record | None:
    """The member's details, unless they were taken back."""
    return next((one for one in _held(context, member) if one.body["sealed"]), None)


def _say(core: Core, context: Context, deal: Deal, member: bytes, sealed: bytes) -> Record:
    agreed = deal.agreement_of(member)
    before = _held(context, member)
    seq = before[0].header.slot.seq + 1 if before and before[0].header.slot else 0
    body = {"agreement": agreed.hash if agreed is not None else bytes(32), "sealed": sealed}
    slot, until = Slot("latest", "detail", seq), deal.rfq.header.expires
    persona = core.personas[member]
    return core.say(persona, "detail.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,), human=True)


def _mine(core: Core, deal: bytes) -> tuple[Context, Deal, bytes]:
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
    ask.SendDetails: send,
    ask.BlankDetails: blank,
    ask.AskDetails: lambda core, _: details(core),
}
