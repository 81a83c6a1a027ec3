"""What is said under a deal signed by hand when something went wrong: every key at hand, every stamp of one's choosing.

`Dispute` holds a log that begins with a whole deal; whoever says something says it at `now`. It admits as a node does.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from protocol.coop.decision import Docket
from protocol.deal.deal import read_deal
from protocol.deal.life import Deal
from protocol.identity import Persona
from protocol.record.kinds import KINDS
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from protocol.trust import mediation
from protocol.trust.case import Voice, read_voices
from protocol.trust.sealed import close
from protocol.trust.voice import check, heard_question, step_slot, under, voice_slot
from tests.deals import NETWORK, Handmade, persona

VOICE_MS, MEDIATE_MS = 600_000, 60_000
WINDOWS = {"voice_ms": VOICE_MS, "mediate_ms": MEDIATE_MS}
MEDIATORS = [persona(f"mediator {number}") for number in range(4)]
EVE = persona("eve")
SECOND = 1_000


@cache
def made(witnesses: int = 1) -> Handmade:
    """m0 and m1 have shares of s0's; m2 declined. Nothing may be added to this one."""
    return Handmade(windows=WINDOWS, members=max(3, witnesses), witnesses=witnesses)


@cache
def _said(witnesses: int) -> tuple[tuple[Record, ...], Deal]:
    of = made(witnesses)
    records = tuple(one for one in of.records if one.scope == of.deal_scope)
    log, docket = Log(of.deal_scope), Docket()
    for one in records:
        log.add(one, wanted=True)
        docket.note(one)
    deal = read_deal(log, docket, NETWORK)
    assert deal is not None
    return records, deal


class Dispute:
    """A member against the supplier of their agreement, from the moment that it was countersigned."""

    def __init__(self, witnesses: int = 1) -> None:
        records, self.deal = _said(witnesses)
        self.of = made(witnesses)
        self.log = Log(self.of.deal_scope)
        for one in records:
            self.log.add(one, wanted=True)
        self.now = self.of.now + SECOND
        self.agreed = self.deal.agreements[0]
        self.member = next(one for one in self.of.members if one.key == self.agreed.allocation.shares[0][0])
        self.supplier = next(one for one in self.of.suppliers if one.key == self.agreed.supplier)
        self.said: list[Record] = []
        self._drawn = 0

    def requested(self, **changed: Any) -> None:
        """As if the request had said something else; a field that is None is left out."""
        body = {name: value for name, value in (dict(self.deal.rfq.body) | changed).items() if value is not None}
        self.deal = replace(self.deal, rfq=self.deal.rfq._replace(body=body))

    def draw(self, size: int) -> bytes:
        """Bytes that are the same in every run."""
        self._drawn += 1
        return self.of.draw(size) if size > 32 else bytes([self._drawn % 256]) + bytes(size - 1)

    # Saying

    def sign(self, who: Persona, kind: str, body: dict[str, Any], slot: str, *refs: bytes, at: int = 0) -> Record:
        """A record of the deal's scope that nobody has seen yet."""
        self.now += SECOND
        where, until = Slot(KINDS[kind].mode, slot, 0), self.deal.rfq.header.expires
        stamp = at or self.now
        return Record.sign(
            who, NETWORK, kind, self.of.deal_scope, body, created=stamp, expires=until, slot=where, refs=refs
        )

    def add(self, record: Record) -> Record:
        """Admit it, or raise Ignore."""
        check(self.log, self.deal, record)
        self.log.add(record, wanted=True)
        self.said.append(record)
        return record

    def raised(self, who: Persona | None = None, about: Persona | None = None, number: int = 0, at: int = 0) -> Record:
        """A voice: the member's about the supplier, where nobody is named."""
        who, about = who or self.member, about or self.supplier
        content = {"code": "late", "wish": "deliver", "text": "Nothing has come."}
        words = close(content, who.key, (who.key, about.key), self.draw)
        body = {"agreement": self.agreed.hash, "subject": about.key, **words}
        slot = voice_slot(self.agreed.hash, about.key, number)
        return self.add(self.sign(who, "voice.1", body, slot, at=at))

    def words(self, who: Persona, voice: Record, number: int = 0, at: int = 0, text: str = "Tomorrow.") -> Record:
        """An answer, or more talk."""
        pair = (voice.author, voice.body["subject"])
        body = {"voice": voice.id, **close({"text": text}, who.key, pair, self.draw)}
        return self.add(self.sign(who, "words.1", body, under("words", voice.id, number), voice.id, at=at))

    def step(
        self, who: Persona, voice: Record, step: str, plan: Record | None = None, index: int = 0, at: int = 0
    ) -> Record:
        """A step under a voice or a plan."""
        body: dict[str, Any] = {"voice": voice.id, "step": step, "index": index}
        body |= {"plan": plan.id} if plan is not None else {}
        refs = (voice.id, *([plan.id] if plan is not None else []))
        return self.add(self.sign(who, "step.1", body, step_slot(body), *refs, at=at))

    def naming(self, who: Persona, voice: Record, accepts: list[Persona], nonce: bytes = bytes(32)) -> dict[str, Any]:
        """Commit to a list; the body that opens it is returned."""
        keys = sorted(one.key for one in accepts)
        body = {"voice": voice.id, "commit": mediation.commitment(voice.id, who.key, nonce, keys)}
        self.add(self.sign(who, "naming.1", body, under("naming", voice.id), voice.id))
        return {"voice": voice.id, "nonce": nonce, "accepts": keys}

    def named(self, who: Persona, voice: Record, body: dict[str, Any], at: int = 0) -> Record:
        """Open it."""
        return self.add(self.sign(who, "named.1", body, under("named", voice.id), voice.id, at=at))

    def plan(self, who: Persona, voice: Record, owing: Persona | None = None, number: int = 0, **more: Any) -> Record:
        """A plan of one remedy or more: what was ordered is delivered, within an hour."""
        pair = (voice.author, voice.body["subject"])
        due = more.get("due", self.now + 3_600_000)
        remedy = {"by": (owing or self.supplier).key, "what": "deliver", "due": due}
        body: dict[str, Any] = {
            "voice": voice.id,
            "remedies": [remedy] * more.get("remedies", 1),
            "follow_ms": 3_600_000,
        }
        body |= close({"text": "As ordered."}, who.key, pair, self.draw)
        return self.add(self.sign(who, "plan.1", body, under("plan", voice.id, number), voice.id))

    def receipt(self, record: Record, *witnesses: Persona, at: int = 0) -> None:
        """Witnesses say that they have it."""
        body = {"question": heard_question(self.deal), "ids": [record.id]}
        until = self.deal.rfq.header.expires
        for one in witnesses or self.of.witnesses:
            stamp = at or self.now
            said = Record.sign(one, NETWORK, "receipt.1", self.of.deal_scope, body, created=stamp, expires=until)
            self.log.add(said, wanted=True)
            self.said.append(said)

    # Reading

    def read(self) -> tuple[Voice, ...]:
        """What it comes to."""
        return read_voices(self.log, self.deal, self.deal.council)

    def only(self) -> Voice:
        """The one voice there is."""
        (found,) = self.read()
        return found
