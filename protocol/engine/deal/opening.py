"""Opening certified reveals, and helping those whom a supplier did not let open theirs.

Decides what a reveal holds for this node. A supplier that seals to some boxes only would split the witnesses for ever;
so whoever cannot open says so, and whoever can passes the content key on, sealed to the box that asked.
Spec: 08-negotiation, NEG-45 to NEG-47.
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol.coop.coop import Coop, slot_name
from protocol.deal.life import Deal, Opening
from protocol.deal.negotiation import open_commitment
from protocol.encoding import decode
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.errors import Reject
from protocol.identity import Persona, box_key, decrypt, seal, unseal
from protocol.record.record import Record, Slot


def attend(core: Core, context: Context, deal: Deal, coop: Coop) -> None:
    """Open what the own box opens, ask for what it does not, answer who asks."""
    mine = _own_box(core, deal, coop)
    if mine is None:
        return
    at, seed, persona = mine
    for reveal in deal.reveals:
        if context.openings.get(reveal.id) is None:
            context.openings[reveal.id] = _open(context, deal, reveal, at, seed)
        if context.openings[reveal.id] is None:
            body = {"rfq": deal.rfq.id, "reveal": reveal.id, "box": at}
            _say_once(core, context, deal, persona, "unopened.1", slot_name("unopened", reveal.id), body)
    _answer(core, context, deal, coop, at, seed, persona)


def settled(core: Core, context: Context, deal: Deal) -> bool:
    """Whether a witness may rank: every certified reveal opens here, or others had time to pass its key on (NEG-48)."""
    if all(context.openings.get(one.id) is not None for one in deal.reveals):
        return True
    certified = next((one.when for name, one in deal.decided.items() if name.startswith("reveals/")), 0)
    until = certified + deal.times["settle_ms"]
    context.wake_at(until if core.now < until else None)
    return core.now >= until


def _own_box(core: Core, deal: Deal, coop: Coop) -> tuple[int, bytes, Persona] | None:
    """(place, secret, persona) of the first box in the request that belongs to an own persona."""
    boxes = deal.rfq.body["boxes"]
    for persona in core.personas.values():
        seed = persona.box_seed(coop.hash)
        if box_key(seed) in boxes:
            return boxes.index(box_key(seed)), seed, persona
    return None


def _sealed_keys(context: Context, reveal: Record, at: int) -> Iterator[bytes]:
    """The content key as the supplier sealed it to a box, then as others passed it on, by id."""
    yield reveal.body["keys"][at]
    for one in sorted(context.log.of_kind("opening.1"), key=lambda record: record.id):
        if one.body["reveal"] == reveal.id and one.body["box"] == at:
            yield one.body["key"]


def _open(context: Context, deal: Deal, reveal: Record, at: int, seed: bytes) -> Opening | None:
    """What the supplier committed to, if any key that reached this box opens it (NEG-45)."""
    for sealed in _sealed_keys(context, reveal, at):
        try:
            opening = _opened(deal, reveal, unseal(sealed, seed))
        except Reject:
            continue
        if opening is not None:
            return opening
    return None


def _opened(deal: Deal, reveal: Record, key: bytes) -> Opening | None:
    """The content under a key; None unless it is what the commitment names, for a cipher can fit two keys."""
    content = decode(decrypt(reveal.body["cipher"], key, deal.rfq.id + reveal.author), items_max=2)
    match content:
        case [bytes() as nonce, bytes() as quote]:
            commit = next(one.body["commit"] for one in deal.quotations if one.author == reveal.author)
            open_commitment(commit, deal.rfq.id, reveal.author, nonce, quote)
            return Opening(nonce, quote)
    return None


def _answer(core: Core, context: Context, deal: Deal, coop: Coop, at: int, seed: bytes, persona: Persona) -> None:
    """Pass a content key on to every box that a member or witness asked for (NEG-47)."""
    entitled = (*coop.keys, *coop.council.witnesses)
    reveals = {one.id: one for one in deal.reveals}
    boxes = deal.rfq.body["boxes"]
    for plea in sorted(context.log.of_kind("unopened.1"), key=lambda record: record.id):
        reveal, box = reveals.get(plea.body["reveal"]), plea.body["box"]
        if reveal is None or plea.author == persona.key or plea.author not in entitled or box >= len(boxes):
            continue
        for sealed in _sealed_keys(context, reveal, at):
            try:
                key = unseal(sealed, seed)
                if _opened(deal, reveal, key) is None:
                    continue
                slot = f"{slot_name('opening', reveal.id)}/{box}"
                if not context.log.slot("opening.1", persona.key, slot):
                    body = {
                        "rfq": deal.rfq.id,
                        "reveal": reveal.id,
                        "box": box,
                        "key": seal(key, boxes[box], core.entropy),
                    }
                    _say_once(core, context, deal, persona, "opening.1", slot, body)
                break
            except Reject:
                continue


def _say_once(
    core: Core, context: Context, deal: Deal, persona: Persona, kind: str, name: str, body: dict[str, object]
) -> None:
    if not context.log.slot(kind, persona.key, name):
        until, refs = deal.rfq.header.expires, (deal.rfq.id,)
        core.say(persona, kind, context.scope, body, until=until, slot=Slot("once", name, 0), refs=refs)
