"""What a node does with the secrets of a deal: finds the room's, passes it on, vouches for shares and releases them.

Decides nothing of its own. A negotiator that seals the room's secret to some boxes only would keep the others from
ranking for ever; so whoever cannot open says so, and each witness that can passes it on, sealed to the box that asked.
Spec: 08-negotiation, NEG-44 to NEG-47 and NEG-60 to NEG-63.
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol.coop import room
from protocol.coop.coop import Coop, question_name
from protocol.deal.life import Deal
from protocol.deal.tender import open_all, own_share, released
from protocol.engine.context import Context
from protocol.engine.coop.counting import holds_share
from protocol.engine.core import Core
from protocol.identity import Persona, box_key
from protocol.record.record import Record, Slot

_ROUNDS = {"quoted": ("quotations", "reveal"), "bettered": ("finals", "reveal-final")}  # by state: box, own slot


def attend(core: Core, context: Context, about: Context, deal: Deal, coop: Coop) -> None:
    """Find the room's secret or ask for it, answer who asks, release own shares, open what is certified.

    `about`: the co-op's own context.
    """
    lay_open(core, context, about, deal, coop)
    for persona, place, _ in () if context.room else _places(core, deal, coop):
        body = {"rfq": deal.rfq.id, "place": place}
        _say_once(core, about, coop, persona, "unopened.1", room.plea_slot(deal.rfq.id), body)
    for persona in core.personas.values():
        if persona.key in deal.council.witnesses:
            _release(core, context, deal, persona)
            if context.room:
                _answer(core, about, deal, coop, persona, room.boxes_of(coop, deal.rfq), context.room)


def lay_open(core: Core, context: Context, about: Context, deal: Deal, coop: Coop) -> None:
    """Find the room's secret in what is held, and open with it what is certified; nothing is said."""
    if coop.request is None or coop.request.body["rfq"] != deal.rfq.id:
        return
    for _, place, seed in () if context.room else _places(core, deal, coop):
        context.room = room.find_secret(about.log, deal.council.witnesses, coop.request, deal.rfq, place, seed)
        if context.room:
            break
    rounds = ("reveals", "final-reveals")
    certified = b"".join(one.value_hash for name, one in deal.decided.items() if name.partition("/")[0] in rounds)
    if context.room and certified and context.opened != certified:
        context.opened, context.openings = certified, open_all(deal, context.room)


def holds_room(coop: Coop, rfq: Record, mention: Record, persona: Persona) -> bool:
    """Whether a request's mention gives this witness the secret of the room that the request names (ELE-33)."""
    seed, boxes = persona.box_seed(coop.hash), room.boxes_of(coop, rfq)
    if box_key(seed) not in boxes:
        return False
    key = mention.body["keys"][boxes.index(box_key(seed))]
    return room.opens(key, seed, rfq.body["room"]) is not None


def vouched(context: Context, deal: Deal, record: Record, persona: Persona) -> bool:
    """Whether a witness may say it had this in time: a quotation, only with a good share for itself (NEG-63)."""
    if record.kind != "quotation.1":
        return True
    place, seed = deal.council.witnesses.index(persona.key), persona.box_seed(deal.mandate.charter)
    return holds_share(context, record, persona, lambda: own_share(record, place, seed))


def _places(core: Core, deal: Deal, coop: Coop) -> Iterator[tuple[Persona, int, bytes]]:
    """Own personas that belong into the room, each with its place and the secret of its box."""
    boxes = room.boxes_of(coop, deal.rfq)
    for persona in core.personas.values():
        seed = persona.box_seed(coop.hash)
        if box_key(seed) in boxes:
            yield persona, boxes.index(box_key(seed)), seed


def _answer(
    core: Core, about: Context, deal: Deal, coop: Coop, persona: Persona, boxes: list[bytes], secret: bytes
) -> None:
    """Pass the room's secret on to each who says that it did not reach them (NEG-47)."""
    for plea in sorted(about.log.of_kind("unopened.1"), key=lambda record: record.id):
        place = plea.body["place"]
        in_place = plea.header.slot is not None and plea.header.slot.name == room.plea_slot(deal.rfq.id)
        if plea.body["rfq"] != deal.rfq.id or not in_place or place >= len(boxes) or plea.author == persona.key:
            continue
        slot = room.answer_slot(deal.rfq.id, place)
        if not about.log.slot("opening.1", persona.key, slot):
            (key,) = room.keys_for(secret, boxes[place : place + 1], core.entropy)
            body = {"rfq": deal.rfq.id, "place": place, "key": key}
            _say_once(core, about, coop, persona, "opening.1", slot, body)


def _release(core: Core, context: Context, deal: Deal, persona: Persona) -> None:
    """Once the box of quotations is certified, and not before, a witness hands its shares to the room (NEG-44)."""
    base, name = _ROUNDS.get(deal.state, ("", ""))
    quoted = deal.decided.get(question_name(base, deal.rfq.id))
    if quoted is None or context.log.slot("reveal.1", persona.key, name):
        return
    place, seed = deal.council.witnesses.index(persona.key), persona.box_seed(deal.mandate.charter)
    shares = released(deal, place, seed, core.entropy)
    body = {"rfq": deal.rfq.id, "manifest": quoted.value_hash, "shares": shares}
    until, slot = deal.rfq.header.expires, Slot("once", name, 0)
    core.volunteer(persona, "reveal.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))


def _say_once(
    core: Core, about: Context, coop: Coop, persona: Persona, kind: str, name: str, body: dict[str, object]
) -> None:
    if not about.log.slot(kind, persona.key, name):
        until, refs = coop.charter.header.expires, (coop.charter.id,)
        core.volunteer(persona, kind, about.scope, body, until=until, slot=Slot("once", name, 0), refs=refs)
