"""What the engine's parts share: contexts, neighbours, own personas, and the effects under way.

Decides what is admitted to a context and what an own record is; never what a context's records lead to.
Spec: 03-gossip, GOS-3 to GOS-9; 01-record, REC-13.
"""

from __future__ import annotations

import random
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from protocol.engine import admission, place, rooms, speech
from protocol.engine.agenda import Agenda
from protocol.engine.context import Context, Settings, is_early
from protocol.engine.deal.shop import Shop
from protocol.engine.keeping import Returning
from protocol.engine.network import carry, links, post, steward
from protocol.engine.network.door import Door
from protocol.engine.network.relays import Relays
from protocol.engine.personas import Derive
from protocol.errors import Ignore, Silent
from protocol.events import Effect, Keep, Notify, Send
from protocol.identity import Entropy, Persona
from protocol.network.broadcast import Broadcast
from protocol.network.gossip import Message, Neighbour, encode_message
from protocol.network.index import Index
from protocol.network.overlay import Overlay
from protocol.network.rules import Rules
from protocol.network.shelf import Shelf
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from protocol.trust.succession import Frozen

_OF_THE_LINK = ("GOS-3", "GOS-50", "REL-6", "REL-15")  # what says nothing of the record: another may bring it, or later


class Core:
    """The engine without its duties and commands: what all of them stand on."""

    def __init__(
        self,
        settings: Settings,
        personas: Iterable[Persona],
        rng: random.Random,
        entropy: Entropy,
        derive: Derive | None = None,
    ) -> None:
        self.settings = settings
        self.personas = {persona.key: persona for persona in personas}
        self.derive, self.recovery = derive, dict(settings.recovery)  # of further personas (IDN-19)
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
        self.held: dict[tuple[str, bytes], tuple[int, list[Record]]] = {}  # by scope and author: when it leaves
        self.frozen: dict[bytes, Frozen] = {}  # personas whose recovery keys ended their word (IDN-30)
        self.spoke: dict[bytes, int] = {}  # own persona → when it last spoke in public (IDN-24)
        self.rules = Rules()
        self.heeded: tuple[bytes, ...] = ()  # whose notices apply here (REL-9)
        self.post = post.Post()
        self.turned_away: dict[str, tuple[Record, str, str]] = {}  # by scope: requests that do not hold, and why
        self.returning = Returning()
        self.shop: Shop | None = None  # made from the facts when it is first needed (SUP-13)

    @property
    def me(self) -> Persona:
        """The first persona: a relay's and a supplier's only one (IDN-20)."""
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
        return found.wire.items if found is not None else None

    def ids(self, scope: str) -> Container[bytes]:
        """The ids held of a scope."""
        if scope in self.carried or scope in self.shelves:
            return carry.shelf_of(self, scope)
        return self.context(scope).wire.records

    def outer_ids(self, scope: str, ids: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """These ids, those of records that came in envelopes replaced by the envelopes' (ROO-14)."""
        found = self.contexts.get(scope)
        return tuple(found.book.outer.get(one, one) for one in ids) if found is not None else ids

    def load(self, scope: str, records: Iterable[Record]) -> None:
        """Fill a context from the log on disk; nothing is stored or published again."""
        self.contexts.pop(scope, None)
        context = self.context(scope)
        for record in records:
            if self.rules and steward.silenced(self, scope, record.author):
                continue
            try:
                if context.wire.add(record, wanted=True).stored and not context.split:
                    context.docket.note(record)
            except Ignore:
                continue  # replaced by a later version that stands in the same log
        if context.split:
            rooms.load(self, context)
        self.changed(scope)
        if context.family == "trust":
            steward.attend(self, context)

    def refill(self, context: Context, record: Record) -> bool:
        """Take a record from the disk that may have been carried only; False when it waits. Raises Ignore."""
        waits = any(ref not in context.wire.records for ref in record.header.refs)
        if waits or is_early(context, record, self.settings):
            return False
        place.check_place(self, context, record)
        added = context.wire.add(record, wanted=True)
        if added.stored:
            rooms.read(self, context, record, added)
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
        admission.receive(self, record, peer)

    def admit_waiting(self, scope: str, fresh: Iterable[bytes]) -> None:
        """Admit what waited for records that came to a scope."""
        admission.admit_waiting(self, scope, fresh)

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
        """Sign, store and publish an own record, see `speech.say`. Raises CommandError, Ignore, Reject."""
        return speech.say(
            self, persona, kind, scope, body, until=until, slot=slot, refs=refs, human=human, follow=follow
        )

    def volunteer(self, persona: Persona, kind: str, scope: str, body: Mapping[str, Any], **how: Any) -> Record | None:
        """Say what no person asked for; None where this device keeps silent, and then nothing has changed (KEP-11)."""
        try:
            return self.say(persona, kind, scope, body, **how)
        except Silent:
            return None

    # Neighbours

    def awaited(self, record: Record) -> bool:
        """Whether what waits refers to it: the cap on a slot must not keep out what others build on (GOS-6)."""
        return any(record.id in one.awaited for one in self.neighbours.values())

    def send(self, peer: str, message: Message) -> None:
        """One gossip message to one neighbour."""
        self.out.append(Send(peer, encode_message(message)))
