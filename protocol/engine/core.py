"""What the engine's parts share: contexts, neighbours, own personas, and the effects under way.

Decides what is admitted to a context and what an own record is; never what a context's records lead to.
Spec: 03-gossip, GOS-3 to GOS-9; 01-record, REC-13.
"""

from __future__ import annotations

import random
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from protocol.coop.mandate import Mandate
from protocol.deal.counter import check_counter
from protocol.deal.request import find_request, read_mandate
from protocol.deal.talk import check_talk
from protocol.deal.term import read_successor, terms_of
from protocol.encoding import encode
from protocol.engine.agenda import Agenda
from protocol.engine.context import WITNESS_KINDS, Context, Settings, has_say, is_early
from protocol.engine.coop import room
from protocol.engine.deal.shop import Shop
from protocol.engine.network import carry, departure, links, policy, post, reconcile, spread, steward
from protocol.engine.network.door import Door
from protocol.engine.network.relays import Relays
from protocol.errors import CommandError, Ignore, Reject
from protocol.events import Drop, Effect, Keep, Notify, Send, Store
from protocol.identity import Entropy, Persona
from protocol.network.broadcast import Broadcast
from protocol.network.gossip import Message, Neighbour, Want, encode_message
from protocol.network.index import Index
from protocol.network.overlay import Overlay
from protocol.network.rules import Rules
from protocol.network.shelf import Shelf
from protocol.params import (
    CLOCK_AHEAD_MS_MAX,
    LIVE_INTENTS_MAX,
    PERSONA_LIFE_MS,
    TRUST_PREFIX_DIGITS,
)
from protocol.record.log import Log
from protocol.record.record import EXPIRING, Record, Slot
from protocol.record.retention import is_over
from protocol.trust.accountability import came_late

_OF_THE_LINK = ("GOS-3", "GOS-50", "REL-6", "REL-15")  # what says nothing of the record: another may bring it, or later


class Core:
    """The engine without its duties and commands: what all of them stand on."""

    def __init__(self, settings: Settings, personas: Iterable[Persona], rng: random.Random, entropy: Entropy) -> None:
        self.settings = settings
        self.personas = {persona.key: persona for persona in personas}
        self.rng, self.entropy = rng, entropy
        self.now = 0
        self.out: list[Effect] = []
        self.contexts: dict[str, Context] = {}
        self.shelves: dict[str, Shelf] = {}  # of carried scopes, those used longest ago first
        self.followed: dict[str, None] = {}
        self.carried: dict[str, None] = {}  # of those followed: for others only (GOS-40)
        self.unread: dict[str, None] = {}  # to be loaded before the next event
        self.states: dict[str, bytes] = {}  # fingerprints of whole scopes, also of those not in memory
        self.doors: dict[str, Door] = {}  # of shelves
        self.crowded = False  # shelves have grown since somebody looked
        self.declined: dict[bytes, int] = {}  # ids that were ignored -> until when they are not fetched
        self.neighbours: dict[str, Neighbour] = {}
        self.broadcast = Broadcast()
        self.overlay = Overlay(rng, settings.role == "relay")
        self.facts: dict[str, bytes] = {}
        self.dirty: dict[str, None] = {}
        self.agenda = Agenda()  # of contexts in memory
        self.next_sync = 0
        self.relays = Relays()
        self.quiet_until, self.thrifty = 0, False  # what this node's person wants spared (GOS-66, GOS-67)
        self.held: dict[str, tuple[int, list[Record]]] = {}  # scope → when what was signed in it leaves
        self.rules = Rules()
        self.heeded: tuple[bytes, ...] = ()  # whose notices apply here (REL-9)
        self.post = post.Post()
        self.turned_away: dict[str, tuple[Record, str, str]] = {}  # by scope: requests that do not hold, and why
        self.shop: Shop | None = None  # made from the facts when it is first needed (SUP-13)

    @property
    def me(self) -> Persona:
        """The persona that acts when no other is named: the first."""
        return next(iter(self.personas.values()))

    # Contexts

    def context(self, scope: str) -> Context:
        """The context of a scope, made empty when it is not in memory."""
        found = self.contexts.get(scope)
        if found is None:
            found = self.contexts[scope] = Context(scope, Log(scope))
        return found

    def peek(self, scope: str) -> Log:
        """The log of a scope for looking only: an empty one when it is not in memory."""
        found = self.contexts.get(scope)
        return found.log if found is not None else Log(scope)

    def items(self, scope: str) -> Index | None:
        """What is held of a scope, to be compared; None when it is not in memory."""
        if scope in self.shelves:
            return carry.shelf_of(self, scope).items
        found = self.contexts.get(scope)
        return found.log.items if found is not None else None

    def ids(self, scope: str) -> Container[bytes]:
        """The ids held of a scope."""
        if scope in self.carried or scope in self.shelves:
            return carry.shelf_of(self, scope)
        return self.context(scope).log.records

    def load(self, scope: str, records: Iterable[Record]) -> None:
        """Fill a context from the log on disk; nothing is stored or published again."""
        self.contexts.pop(scope, None)
        context = self.context(scope)
        for record in records:
            if self.rules and steward.silenced(self, scope, record.author):
                continue
            try:
                if context.log.add(record, wanted=True).stored:
                    context.docket.note(record)
            except Ignore:
                continue  # replaced by a later version that stands in the same log
        self.changed(scope)
        if context.family == "trust":
            steward.attend(self, context)

    def refill(self, context: Context, record: Record) -> bool:
        """Take a record from the disk that may have been carried only; False when it waits. Raises Ignore."""
        waits = any(ref not in context.log.records for ref in record.header.refs)
        if waits or is_early(context, record, self.settings):
            return False
        self._check_place(context, record)
        if context.log.add(record, wanted=True).stored:
            context.docket.note(record)
            self.changed(context.scope)
        return True

    def changed(self, scope: str) -> None:
        """Attend to a scope, and forget what its state was."""
        self.dirty[scope] = None
        self.states.pop(scope, None)

    def follow(self, scope: str, lasting: bool = True) -> None:
        """Take part in a scope: subscribe at those we dialled and those who asked for it, reconcile with the former."""
        if scope in self.followed:
            if lasting and f"scope/{scope}" not in self.facts:
                self.keep(f"scope/{scope}", b"1")
                if scope in self.carried:
                    carry.adopt(self, scope)
            return
        if not lasting:
            self.carry((scope,))
            return
        self.followed[scope] = None
        self.keep(f"scope/{scope}", b"1")
        self.context(scope)
        self.dirty[scope] = None
        links.announce(self, (scope,), lasting)

    def carry(self, scopes: Sequence[str]) -> None:
        """Follow for others what was not followed so far."""
        self.followed.update(dict.fromkeys(scopes))
        self.carried.update(dict.fromkeys(scopes))
        links.announce(self, scopes, lasting=False)

    def spared(self, scope: str) -> bool:
        """Whether a scope has to wait until this node may spend again (GOS-67)."""
        return self.thrifty and scope.startswith(("board/", "trust/", "mail/"))

    def keep(self, name: str, value: bytes) -> None:
        """Remember a local fact; b"" forgets it."""
        if value:
            self.facts[name] = value
        else:
            self.facts.pop(name, None)
        self.out.append(Keep(name, value))

    def notify(self, topic: str, **detail: Any) -> None:
        """Tell whoever looks on."""
        self.out.append(Notify(topic, detail))

    # Records

    def receive(self, record: Record, peer: str) -> None:
        """Admit a neighbour's record, then what waited for it. Raises Ignore or Reject before anything has changed."""
        if record.kind == "mail.1" and post.came_back(self, record, peer) and record.scope not in self.followed:
            return
        if record.kind == "policy.1":
            policy.heard(self, record, peer)
            if record.scope not in self.followed:
                return
        reconcile.arrived(self, record.id, peer)
        try:
            moved = self._admit(record, peer)
        except Ignore as error:
            if error.code not in _OF_THE_LINK:
                reconcile.decline(self, record.id)
            raise
        if moved:
            self.admit_waiting(record.scope, (record.id,))

    def admit_waiting(self, scope: str, fresh: Iterable[bytes]) -> None:
        """Admit what waited for records that came to a scope, and what waited for that, however long the chain."""
        while fresh:
            came, fresh = fresh, []
            for other in self.neighbours.values():
                for waiting in other.ready(self.ids(scope), scope, came) if other.pending else ():
                    try:
                        if self._admit(waiting, other.name):
                            fresh.append(waiting.id)
                    except Reject as error:
                        self.out.append(Drop(other.name, error.code))
                    except Ignore:
                        continue

    def _admit(self, record: Record, peer: str) -> bool:
        """Whether a record was taken; False when it was held already, or waits."""
        self._check_open(record, peer)
        for_others = record.scope in self.carried or record.scope not in self.followed  # the latter: mail (REL-16)
        if for_others and not carry.concerns(self, record):
            return carry.admit(self, record, peer)
        context = self.context(record.scope)
        if record.id in context.log.records:
            spread.again(self, record, peer)
            return False
        lacking = [ref for ref in record.header.refs if ref not in context.log.records]
        neighbour = self.neighbours.get(peer)
        if lacking:  # GOS-6: wait, and ask only who sent the child
            if neighbour is not None:
                neighbour.wait(record)
                self.send(peer, Want(record.scope, tuple(lacking)))
            return False
        if neighbour is not None and is_early(context, record, self.settings):
            neighbour.wait(record, early=True)
            return False
        self._check_place(context, record, peer)
        if context.log.crowded and not room.standing(self, context, record):
            room.check_newcomer(context.log, record.author, neighbour)
        self._take(context, record, False, peer)
        return True

    def say(
        self,
        persona: Persona,
        kind: str,
        scope: str,
        body: Mapping[str, Any],
        *,
        until: int,
        slot: Slot | None = None,
        refs: tuple[bytes, ...] = (),
        human: bool = False,
        follow: bool = False,
    ) -> Record:
        """Sign, store and publish an own record; what a person did is stamped to the grain (REC-16).

        `follow`: take part in the scope too, once it is sure that the record is good.
        """
        if scope in self.carried:
            self.follow(scope)
        if slot is not None and slot.mode == "once" and self.context(scope).log.slot(kind, persona.key, slot.name):
            raise CommandError("REC-14", f"{kind}: you have spoken already, and once is final")
        created = self.now - self.now % self.settings.grain_ms if human else self.now
        record = Record.sign(
            persona, self.settings.network, kind, scope, body, created=created, expires=until, slot=slot, refs=refs
        )
        context = self.context(scope)
        self._check_place(context, record)
        self._introduce(persona)
        if follow:
            self.follow(scope)
        self._take(context, record, True, "", human)
        return record

    def _introduce(self, persona: Persona) -> None:
        """A persona's first record names its recovery key's hash: from then on only that key can freeze it (IDN-10)."""
        fact, recovery = f"introduced/{persona.key.hex()}", self.settings.recovery.get(persona.key)
        if recovery is not None and fact not in self.facts:
            self.keep(fact, b"1")
            scope = trust_scope(persona.key)
            self.follow(scope)
            slot, until = Slot("once", "persona", 0), self.now + PERSONA_LIFE_MS
            self.say(persona, "persona.1", scope, {"recovery": recovery}, until=until, slot=slot)

    def _check_open(self, record: Record, peer: str) -> None:
        """Whether a record of this scope and these times is taken at all; raises Ignore."""
        header = record.header
        if header.created > self.now + CLOCK_AHEAD_MS_MAX:
            raise Ignore("REC-13", "created: more than ten minutes ahead of this node's clock")
        steward.check(self, record, peer)
        if record.scope not in self.followed and not post.carried(self, record.scope):
            raise Ignore("GOS-3", f"scope: {record.scope} is not followed here")
        if header.expires <= self.now and record.scope.startswith(EXPIRING):
            raise Ignore("REC-13", "expires: the record's time is over")
        if is_over(header, self.now):
            raise Ignore("STO-22", "expires: the co-op or deal that this was said in has ended")

    def _check_place(self, context: Context, record: Record, peer: str = "") -> None:
        """Whether the record is by somebody who has a say here (FRM-24, NEG-42); raises Ignore."""
        match context.family:
            case "board":
                self._check_intents(context, record)
            case "mail":
                post.check(self, len(context.log.records), context.log.weight, record, peer)
            case "coop" if not has_say(context, record, self.settings):
                raise Ignore("FRM-24", f"{record.kind}: its author has no say in this co-op, or not yet")
            case "deal" if record.kind == "rfq.1":
                try:
                    read_mandate(record, self.settings.network)
                except Reject as error:
                    room.turn_away(self, record, error)
                    raise Ignore(error.code, error.message) from None
            case "deal":
                found = find_request(context.log, context.docket, self.settings.network)
                if found is None or (record.kind in WITNESS_KINDS and record.author not in found[0].body["witnesses"]):
                    raise Ignore("NEG-42", f"{record.kind}: its author has no say in this deal, or not yet")
                if record.kind == "mandate.1":
                    self._check_mandate(record, *found)
                if record.kind == "counter.1":
                    check_counter(record, terms_of(context.log, *found, self.settings.network))
                check_talk(record)
                room.check_event(self, context, record)

    def _check_mandate(self, record: Record, rfq: Record, first: Mandate) -> None:
        """Only one that the request's own witnesses certified for a later term (ELE-46); raises Ignore."""
        try:
            read_successor(record, rfq, first, self.settings.network)
        except Reject as error:
            raise Ignore(error.code, error.message) from None

    def _check_intents(self, context: Context, record: Record) -> None:
        """A withdrawal always finds room, and makes some (GOS-7)."""
        if record.kind != "intent.1" or record.header.slot is None or record.body["readiness"] == "withdrawn":
            return
        if not context.log.knows(record.author):
            return
        live = {
            one.header.slot.name: None
            for one in context.log.by(record.author, "intent.1")
            if one.header.slot and one.header.expires > self.now and one.body["readiness"] != "withdrawn"
        }
        if len(live) >= LIVE_INTENTS_MAX and record.header.slot.name not in live:
            raise Ignore("GOS-7", f"intent: at most {LIVE_INTENTS_MAX} of one author on a board; withdraw one first")

    def awaited(self, record: Record) -> bool:
        """Whether what waits refers to it: the cap on a slot must not keep out what others build on (GOS-6)."""
        return any(record.id in one.awaited for one in self.neighbours.values())

    def _take(self, context: Context, record: Record, own: bool, source: str, human: bool = False) -> None:
        contested = context.log.contested(record)
        needed = contested and room.needed(self, context, record)
        wanted = own or (contested and self.awaited(record))
        standing = own or (context.log.crowded and room.standing(self, context, record))
        added = context.log.add(record, wanted, standing, needed)
        if not added.stored:
            return
        context.wanted.pop(record.id, None)
        if context.expires is None or record.header.expires < context.expires:
            context.expires = record.header.expires
        if came_late(record, self.now):
            self.keep(f"seen/{record.id.hex()}", encode(self.now))
        context.docket.note(record)
        self.changed(context.scope)
        self.out.append(Store(record, own))
        if own:
            departure.leave(self, context, record, human)
        else:
            spread.offer(self, record, own, source)
        if added.proof is not None:
            self.notify("fault", author=record.author, kind=record.kind, scope=record.scope)

    # Neighbours

    def send(self, peer: str, message: Message) -> None:
        """One gossip message to one neighbour."""
        self.out.append(Send(peer, encode_message(message)))


def trust_scope(subject: bytes) -> str:
    """Where attestations about a subject stand (ATT-4)."""
    return "trust/" + subject.hex()[:TRUST_PREFIX_DIGITS]
