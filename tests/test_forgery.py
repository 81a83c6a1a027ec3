"""One lie in each place where a lie could pay, told by enough witnesses together (12-bundle, BUN-8, BUN-9, BUN-13).

Each is first told in a world whose check is switched off, where the rest of the deal follows from it and the bundle
passes: so it is this check that finds it. Then it is read as it should be, and refused by its clause.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from protocol.coop import box as boxes
from protocol.coop import coop as coops
from protocol.coop.box import LEAVE, Box, Question, manifest, manifest_ids
from protocol.coop.charter import Member, charter_hash, coop_scope, intent_of
from protocol.coop.coop import slot_name
from protocol.coop.decision import Council
from protocol.coop.election import succession
from protocol.coop.term import Term
from protocol.deal import contract, proof, repair, tender
from protocol.deal.bundle import make, verify
from protocol.deal.fulfilment import cancel_slot, consent_slot
from protocol.encoding import decode, encode
from protocol.identity import Persona
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, TEMPLATE, Handmade, persona
from tests.test_aftermath import Lived, Shrunk
from tests.test_bundle import body, council_of_four, forged, parted, refusal
from tests.test_final import as_first
from tests.test_lots import Scarce

STRANGER = persona("stranger")
Build = Callable[[], Handmade]
Switch = tuple[Any, str, Any]
WINDOWS = dict.fromkeys("suggest_ms final_ms".split(), 60_000)


def anything(*_: Any, **__: Any) -> bool:
    return True


def everybody(charter: Record, joins: list[Record], network: bytes) -> tuple[Member, ...]:
    """The roster, whoever may be on it."""
    found = sorted(joins, key=lambda one: one.author)
    return tuple(Member(one.author, one, intent_of(one, network), one.body["box"]) for one in found)


def shrunk(said: dict[str, Any]) -> dict[str, Any]:
    """The word of the repair round takes less than the first."""
    return said | ({"want": 1} if said["want"] == 4 else {})


LINE = council_of_four().coop().line


def for_a_friend(ballots: list[Record], *_: Any) -> dict[bytes, Any]:
    """What the ballots would have to say for the second in line to lead."""
    first, second = LINE
    return {one.id: ((second,), (first,)) for one in ballots}


class Strict(Handmade):
    """A charter that wants a vouch for whoever stands; nobody has one, and the witnesses list them all the same."""

    admits: Mapping[str, int] = {"outcomes": 0, "vouches": 1, "newcomers": 9, "elect_newcomers": 1}

    def say(self, who: Persona, kind: str, scope: str, body: dict[str, Any], slot: str = "") -> Record:
        if kind == "charter.1":
            body = body | {"admits": dict(self.admits)}
            self.hash = charter_hash(who.key, body)
            scope = self.scope = coop_scope(self.hash)
        return super().say(who, kind, scope, body, slot)


class Wary(Strict):
    """A charter that admits no newcomers; all are."""

    admits: Mapping[str, int] = {"outcomes": 0, "vouches": 0, "newcomers": 0, "elect_newcomers": 1}


class Twofold(Handmade):
    """The first member pledges twice, the second time for more."""

    def decide(self, scope: str, council: Council, question: Question) -> None:
        if question.name.startswith("pledges/"):
            roster = self.coop().roster
            numbers = {"want": 9, "tolerate": 1, "least": 1, "price_max_minor": 1_000}
            self.say(self.members[0], "pledge.1", scope, {"roster": roster, **numbers}, slot_name("pledge", roster))
        super().decide(scope, council, question)


def last_of_each(log: Log, box: Box, value: bytes) -> list[Record]:
    """What would count if a second word replaced the first."""
    listed = [one for one in map(log.records.__getitem__, manifest_ids(value)) if box.takes(one)]
    last = {one.author: one for one in sorted(listed, key=lambda one: one.header.created)}
    return sorted(last.values(), key=lambda one: one.id)


class Reported(Lived):
    """A friend of the supplier reports that all was delivered, or ends somebody's share."""

    kind = "event.1"

    def _deal(self) -> None:
        Handmade._deal(self)
        agreed, member = self.deal().agreements[0].hash, self.members[0].key
        if self.kind == "event.1":
            self.report(STRANGER, "receive", self.members[0], 36)
        else:
            said = {"agreement": agreed, "member": member, "ends": 0, "reason": "other", "remark": ""}
            self.say(STRANGER, "cancel.1", self.deal_scope, said, cancel_slot(agreed, member))


class Ended(Reported):
    kind = "cancel.1"


def four(twists: Mapping[str, Any] | None = None, **more: Any) -> Build:
    return lambda: Handmade(twists, members=4, witnesses=4, **more)


def five(twists: Mapping[str, Any] | None = None) -> Build:
    return lambda: Handmade(twists, members=5, witnesses=4, suppliers=3, windows={"final_ms": 60_000})


def in_parts(twists: Mapping[str, Any]) -> Build:
    def serves(keys: list[bytes]) -> Any:
        good = [who for who in keys if who != persona("s2").key]
        return [[good[0], 9], [good[1], 6]]

    told = {"serves": serves, **twists}
    return lambda: Scarce(told, members=5, witnesses=4, suppliers=3, windows={"answer_ms": 60_000})


def one_supplier(value: bytes) -> bytes:
    """The award as if nobody had answered: all from the first."""
    told = decode(value)
    return encode(told | {"parts": told["parts"][:1]})


def turned_away(value: bytes) -> bytes:
    """The award without its best supplier, who is said not to have opened."""
    told = decode(value)
    (part,) = told["parts"]
    refused = sorted([*told["refused"], [part["supplier"], "IDN-17"]])
    other = next(one for one in (persona("s0"), persona("s1")) if one.key != part["supplier"])
    return encode(told | {"refused": refused, "parts": [part | {"supplier": other.key}]})


# Values: what was certified, and the function that finds it wrong.
VALUES: list[tuple[str, str, str, Build, str]] = [
    ("a friend's lot is larger", "NEG-50", "award", four({"award": parted(capacity=1)}), "award_value"),
    ("no cancelling what anybody could cancel", "NEG-50", "award",
     four({"award": parted(cancellation="end-of-term", cancellation_fee_minor=10**6)}), "award_value"),
    ("a pack that leaves a rest", "NEG-50", "award", four({"award": parted(pack=2)}), "award_value"),
    ("a supplier is said not to have opened", "NEG-50", "award", four({"award": turned_away}, suppliers=3),
     "award_value"),
    ("last words count for nothing", "NEG-50", "award", five({"award": as_first}), "award_value"),
    ("answers count for nothing", "NEG-50", "award", in_parts({"award": one_supplier}), "award_value"),
    ("what nobody adopted is asked for", "NEG-78", "revision",
     four({"revision": lambda value: encode(decode(value) | {"weights_minor": {"organic": -999}})}, windows=WINDOWS),
     "revision_value"),
    ("what was adopted is dropped", "NEG-78", "revision",
     four({"revision": lambda value: encode(decode(value) | {"requirements": [], "adopted": []})}, windows=WINDOWS),
     "revision_value"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "clause", "base", "build", "check"), VALUES, ids=[one[0] for one in VALUES])
def test_a_wrong_value(
    what: str, clause: str, base: str, build: Build, check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BUN-8, NEG-50, NEG-78: certified by all, and not what the records lead to."""
    of = build()
    lie = next(one.body["value"] for one in of.records if str(one.body.get("question", "")).startswith(base + "/"))
    with monkeypatch.context() as off:
        off.setattr(proof, check, lambda *_: lie)
        raw = make(NETWORK, TEMPLATE, of.records, of.room)
        assert refusal(raw) == ""
    assert refusal(raw) == clause


# Records that do not belong, or do not fit: the world in which they do, and the clause.
WORLDS: list[tuple[str, str, Build, list[Switch]]] = [
    ("a candidate nobody vouches for", "DEC-13", lambda: Strict(None, 4, 4), [(coops, "good_nomination", anything)]),
    ("a fee above the charter's", "DEC-13", four({"nomination.1": body(fee_minor=501)}),
     [(coops, "good_nomination", anything)]),
    ("a second pledge in place of the first", "ELE-30", lambda: Twofold(None, 4, 4),
     [(coops, "held_once", last_of_each)]),
    ("a negotiator of the witnesses' choice", "ELE-30", four(),
     [(coops, "succession", lambda tally, roster: succession(tally, roster)[::-1])]),
    ("other rankings than the ballots hold", "ELE-30", four(), [(coops, "lay_open", for_a_friend)]),
    ("releases of too few witnesses", "DEC-20", four({"counts": lambda value: manifest(manifest_ids(value)[:2])}),
     [(boxes, "filled", anything)]),
    ("releases after another list", "DEC-13", four({"count.1": body(manifest=bytes(32))}),
     [(coops, "is_release", anything)]),
    ("weights for a friend's offer", "NEG-70", four({"rfq.1": body(weights_minor={"organic": -9_999})}),
     [(proof, "check_specification", anything)]),
    ("terms that only a friend accepts", "NEG-72", four({"rfq.1": body(terms=[])}),
     [(proof, "check_specification", anything)]),
    ("a request in another region", "ELE-33", four({"rfq.1": body(region="else")}),
     [(proof, "request_fits", anything)]),
    ("an offer changed after the box was closed", "NEG-50", four({"quotation.1": body(commit=bytes(32))}),
     [(tender, "open_commitment", anything)]),
    ("a signature under another agreement", "DEC-13", four({"countersign.1": body(agreement=bytes(32))}),
     [(contract, "_good_signature", anything)]),
    ("a word under another award", "DEC-13", four({"commitment.1": body(award=bytes(32))}),
     [(contract, "_good_commitment", anything)]),
    ("a repair that takes back what was signed", "DEC-13", lambda: Shrunk({"commitment.1": shrunk}, "repair"),
     [(repair, "good_repair", anything)]),
    ("a poll on another deal", "DEC-13", lambda: Lived({"renewal.1": body(rfq=bytes(32))}, "renewal"),
     [(contract, "_good_renewal", anything)]),
    ("more newcomers than the charter bears", "BUN-8", lambda: Wary(None, 4, 4), [(coops, "roster_of", everybody)]),
    ("a delivery that neither side reported", "BUN-9", Reported, [(proof, "is_party", anything)]),
    ("a share that a stranger ends", "BUN-9", Ended, [(proof, "is_party", anything)]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "clause", "build", "switches"), WORLDS, ids=[one[0] for one in WORLDS])
def test_a_world_with_the_check_off(
    what: str, clause: str, build: Build, switches: list[Switch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """BUN-8, BUN-9, BUN-13, DEC-13, ELE-30, ELE-33, ELE-36, NEG-70, NEG-72."""
    with monkeypatch.context() as off:
        for module, name, instead in switches:
            off.setattr(module, name, instead)
        of = build()
        raw = make(NETWORK, TEMPLATE, of.records, of.room)
        assert refusal(raw) == ""
    assert refusal(raw) == clause


def test_a_consent_of_somebody_elses_member() -> None:
    """BUN-9, BUN-13, AGR-17: of two agreements, a member of one has no word on what the other's supplier offers."""
    made = in_parts({})()
    first, second = made.deal().agreements
    seller = next(one for one in made.suppliers if one.key == first.supplier)
    offer: dict[str, Any] = {"agreement": first.hash, "members": [], "article": "x", "attributes": {}, "remark": ""}
    offered = made.say(seller, "substitute.1", made.deal_scope, offer | {"unit_price_minor": 1})
    for agreed, clause in ((first, ""), (second, "BUN-9")):
        who = next(one for one in made.members if agreed.quantity_of(one.key))
        said = {"substitute": offered.id, "answer": "consent"}
        consent = made.say(who, "consent.1", made.deal_scope, said, consent_slot(offered.id))
        assert refusal(forged(made)) == clause
        made.records.remove(consent)


def test_terms_that_came_later_prove_nothing() -> None:
    """BUN-9: a lease, a heartbeat, a recall and an end say nothing of what was agreed; a maker drops them."""
    of = council_of_four()
    coop = of.coop()
    negotiator, witness = of.negotiator, of.witnesses[0]
    term = Term(coop.roster, 1, negotiator.key, 0, 0)
    mine = {"roster": coop.roster, "term": term.number}
    said = [
        (negotiator, "heartbeat.1", mine, "latest"),
        (witness, "lease.1", mine | {"until": of.now + 1}, "latest"),
        (of.members[0], "recall.1", mine | {"reason": "other", "remark": ""}, "once"),
        (witness, "end.1", mine | {"cause": "recalled"}, "once"),
    ]
    more = [
        Record.sign(
            who, NETWORK, kind, of.scope, told, created=of.now, expires=of.until,
            slot=Slot("once" if mode == "once" else "latest", f"{kind.partition('.')[0]}/1", 0),
        )
        for who, kind, told, mode in said
    ]  # fmt: skip
    for one in more:
        assert refusal(forged(of, [*of.records, one])) == "BUN-9", one.kind
    assert make(NETWORK, TEMPLATE, [*of.records, *more], of.room) == forged(of)


class Leaving(Handmade):
    """The last member says everything else and leaves while one of the boxes is open."""

    base = "ballots"

    def decide(self, scope: str, council: Council, question: Question) -> None:
        if question.name.startswith(self.base + "/"):
            who = self.members[-1]
            join = next(one for one in self.records if one.kind == "join.1" and one.author == who.key)
            self.now += 1_000
            slot, body = Slot("once", "leave", 0), {"reason": "timing", "remark": ""}
            said = Record.sign(
                who, NETWORK, LEAVE, scope, body, created=self.now, expires=self.until, slot=slot, refs=(join.id,)
            )
            self.records.append(said)
            self._held(scope)[0].add(said, wanted=True)
        super().decide(scope, council, question)


class LeavingEarly(Leaving):
    base = "pledges"


@pytest.mark.parametrize("kind", [Leaving, LeavingEarly])
def test_who_left_has_no_ballot_and_no_share(kind: type[Leaving]) -> None:
    """BUN-8, BUN-14, FRM-33, DEC-14: the leave is needed; what the same person said beside it is not counted."""
    of = kind(None, members=5, witnesses=4)
    found = verify(make(NETWORK, TEMPLATE, of.records, of.room))
    gone = of.members[-1].key
    assert found.coop.left == (gone,)
    assert gone not in found.coop.keys
    assert len(found.ballots) == 4
    assert all(not one.quantity_of(gone) for one in found.deal.agreements)
    left = next(one for one in found.records if one.kind == LEAVE)
    assert refusal(forged(of, [one for one in found.records if one is not left])) == "DEC-19"
