"""After the deal: what a supplier acknowledges, what was delivered, and which attestations rest on a deal."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.coop.box import Question
from protocol.coop.decision import Council
from protocol.coop.evidence import co_signed
from protocol.deal.allocation import Allocation
from protocol.deal.award import agreement_hash
from protocol.deal.tender import own_share
from protocol.encoding import decode, digest_of, encode
from protocol.errors import CommandError
from protocol.events import RecordReceived
from protocol.identity import Persona, network_id
from protocol.params import ATTESTATION_LIFE_MS, FIRST_SIGHT_MS, SEALED_BLOCK_BYTES
from protocol.record.record import FaultProof, Header, Record, Slot
from protocol.sealing import seal_to
from protocol.trust.accountability import came_late, default_slot, evidence, fault_slot, trust_scope
from tests.deals import LIFE_MS, NETWORK, START_MS, Handmade, persona
from tests.sim import world as sim
from tests.sim.town import Town
from tests.stages import at

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "accountability.json"
ANN, EVE = persona("m0"), persona("eve")


@cache
def dealt() -> Handmade:
    """A deal with its countersignature: m0 and m1 committed, m2 declined; nothing may be added to this one."""
    return Handmade()


def said(kind: str, who: Persona | None = None) -> Record:
    """What was said of a kind in the deal, by whom if it matters."""
    return next(one for one in dealt().records if one.kind == kind and who in (None, _by(one)))


def _by(record: Record) -> Persona:
    made = dealt()
    return next(one for one in (*made.members, *made.suppliers) if one.key == record.author)


def other_party() -> tuple[Persona, Persona, Persona]:
    """Supplier, negotiator, and a member who committed and is not the negotiator."""
    made = dealt()
    member = next(one for one in made.members[:2] if one.key != made.negotiator.key)
    return made.suppliers[0], made.negotiator, member


def attestation(who: Persona, subject: bytes, role: str, shown: list[bytes], **other: Any) -> Record:
    """An attestation as its author may sign it, however wrong."""
    body: dict[str, Any] = {"subject": subject, "role": role, "agreement": dealt().deal().agreements[0].hash}
    body |= {"outcome": "kept", "dimensions": {"promise": 5}, "remark": "", "evidence": shown}
    slot = Slot("once", f"x/{subject[:8].hex()}/{role}", 0)
    scope, expires = trust_scope(subject), START_MS + LIFE_MS
    return Record.sign(who, NETWORK, "attestation.1", scope, body | other, created=START_MS, expires=expires, slot=slot)


def forged(record: Record, who: Persona, network: bytes = NETWORK, scope: str = "", **other: Any) -> bytes:
    """The same record, said by somebody else, or elsewhere, or otherwise."""
    header = record.header
    body = dict(record.body) | other
    where = scope or record.scope
    return Record.sign(
        who, network, record.kind, where, body, created=header.created, expires=header.expires, slot=header.slot
    ).raw


WITNESS = persona("w0")


def service(kind: str = "vote.1", about: int = 1, scope: str = "") -> Header:
    """The header of something that a witness signed in this deal, or about nothing, or elsewhere."""
    request = said("rfq.1")
    bodies: dict[str, dict[str, Any]] = {
        "vote.1": {"question": "award/0", "round": 0, "step": "prevote", "value": bytes(32)},
        "receipt.1": {"question": "quotations/0", "ids": [bytes(32)]},
        "query.1": {"rfq": request.id, "text": "?"},
    }
    where = "deal/" + scope * 32 if scope else request.scope
    refs, slot = ((request.id,) if about else ()), None if kind == "receipt.1" else Slot("once", "x", 0)
    until = START_MS + LIFE_MS
    return Record.sign(
        WITNESS, NETWORK, kind, where, bodies[kind], created=START_MS, expires=until, slot=slot, refs=refs
    ).header


def claims() -> list[tuple[str, str, Record, bytes | None]]:
    """Name, clause, attestation, and the request it counts for."""
    found: list[tuple[str, str, Record, bytes | None]] = [
        (name, "ATT-2", one, said("rfq.1").id) for name, one in _founded()
    ]
    return found + [(name, "ATT-2", one, None) for name, one in (*_unfounded(), *_of_headers())]


def _founded() -> list[tuple[str, Record]]:
    supplier, negotiator, member = other_party()
    commit, signed = said("commitment.1", member), said("countersign.1")
    pair, key = [commit.raw, signed.raw], supplier.key
    asked, served = [commit.raw, said("rfq.1").header.proof()], [commit.raw, service().proof()]
    return [
        ("a member about the supplier", attestation(member, key, "supplier", pair)),
        ("in the other order", attestation(member, key, "supplier", pair[::-1])),
        ("the supplier about a member", attestation(supplier, member.key, "member", pair)),
        ("a member about the negotiator", attestation(member, negotiator.key, "negotiator", asked)),
        (
            "about the negotiator, under any hash",
            attestation(member, negotiator.key, "negotiator", asked, agreement=bytes(32)),
        ),
        ("the negotiator about a member", attestation(negotiator, member.key, "member", asked)),
        ("a member about a witness", attestation(member, WITNESS.key, "relay", served)),
        ("a witness about a member", attestation(WITNESS, member.key, "member", served)),
        ("by a receipt", attestation(member, WITNESS.key, "relay", [commit.raw, service("receipt.1").proof()])),
        ("with a salt", attestation(member, key, "supplier", pair, salt=bytes(16))),
    ]


def _unfounded() -> list[tuple[str, Record]]:
    supplier, negotiator, member = other_party()
    commit, declined = said("commitment.1", member), said("commitment.1", dealt().members[-1])
    signed, rfq = said("countersign.1"), said("rfq.1")
    pair, key, asked = [commit.raw, signed.raw], supplier.key, [commit.raw, rfq.header.proof()]
    broken = bytearray(signed.raw)
    broken[-1] ^= 1
    return [
        ("nothing shown", attestation(member, key, "supplier", [])),
        ("one signature", attestation(member, key, "supplier", [commit.raw])),
        ("three records", attestation(member, key, "supplier", [*pair, rfq.raw])),
        ("one of them twice", attestation(member, key, "supplier", [*pair, commit.raw])),
        ("no record", attestation(member, key, "supplier", [commit.raw, b"\x00"])),
        ("a byte flipped", attestation(member, key, "supplier", [commit.raw, bytes(broken)])),
        ("somebody else's deal", attestation(EVE, key, "supplier", pair)),
        ("about somebody else", attestation(member, EVE.key, "supplier", pair)),
        ("about oneself", attestation(negotiator, negotiator.key, "negotiator", asked)),
        ("a decline", attestation(dealt().members[-1], key, "supplier", [declined.raw, signed.raw])),
        ("a request for a supplier", attestation(member, key, "supplier", [commit.raw, rfq.raw])),
        ("a countersignature for a negotiator", attestation(member, negotiator.key, "negotiator", pair)),
        ("another agreement", attestation(member, key, "supplier", pair, agreement=bytes(32))),
        ("a member by a stranger", attestation(EVE, member.key, "member", pair)),
        ("sides exchanged", attestation(supplier, member.key, "supplier", pair)),
        (
            "countersigned by another",
            attestation(member, EVE.key, "supplier", [commit.raw, forged(signed, EVE)], agreement=bytes(32)),
        ),
        (
            "under another request",
            attestation(member, key, "supplier", [forged(commit, member, rfq=bytes(32)), signed.raw]),
        ),
        (
            "in another scope",
            attestation(member, key, "supplier", [forged(commit, member, scope="deal/" + "0" * 32), signed.raw]),
        ),
        (
            "in another network",
            attestation(member, key, "supplier", [forged(commit, member, network_id("x", b"")), signed.raw]),
        ),
    ]


def _of_headers() -> list[tuple[str, Record]]:
    """Headers where records belong, records where headers do, and what witnesses signed elsewhere."""
    supplier, negotiator, member = other_party()
    commit, signed, rfq = said("commitment.1", member), said("countersign.1"), said("rfq.1")
    pair, key, served = [commit.raw, signed.raw], supplier.key, [commit.raw, service().proof()]

    def served_by(header: Header) -> Record:
        return attestation(member, WITNESS.key, "relay", [commit.raw, header.proof()])

    return [
        ("the whole request", attestation(member, negotiator.key, "negotiator", [commit.raw, rfq.raw])),
        ("a header for a countersignature", attestation(member, key, "supplier", [commit.raw, signed.header.proof()])),
        ("a header for a commitment", attestation(member, key, "supplier", [commit.header.proof(), signed.raw])),
        ("a witness by what others did", attestation(member, negotiator.key, "relay", served)),
        ("a witness of another request", served_by(service(about=0))),
        ("a witness elsewhere", served_by(service(scope="0"))),
        ("a witness by a question", served_by(service("query.1"))),
        ("a witness as negotiator", attestation(member, WITNESS.key, "negotiator", served)),
        ("a supplier as mediator", attestation(member, key, "mediator", pair)),
    ]


SUPPLIER = bytes(range(32, 64))
AGREEMENTS = [
    (bytes(32), 1, ()),
    (bytes(range(32)), 900, ((bytes(32), 3),)),
    (bytes(range(32)), 2**40, ((bytes(32), 1), (b"\x01" * 32, 10**9))),
]


def agreed(award: bytes, price: int, shares: tuple[tuple[bytes, int], ...]) -> bytes:
    """The hash of an agreement of these numbers."""
    quantity = sum(amount for _, amount in shares)
    return agreement_hash(award, SUPPLIER, Allocation(0, price, quantity, shares, ()))


def vectors() -> dict[str, Any]:
    """spec/vectors/accountability.json."""
    cases: list[dict[str, Any]] = []
    for award, price, shares in AGREEMENTS:
        plain = [[key.hex(), amount] for key, amount in shares]
        encoded = encode([award, SUPPLIER, price, [list(one) for one in shares]])
        cases.append(
            {
                "name": f"{len(shares)} shares",
                "clause": "AGR-1",
                "input": {"award": award.hex(), "supplier": SUPPLIER.hex(), "unit_price_minor": price, "shares": plain},
                "output": {"encoded": encoded.hex(), "hash": agreed(award, price, shares).hex()},
            }
        )
    for one in (bytes(32), ANN.key):
        case = {"name": "where it stands", "clause": "ATT-4", "input": {"subject": one.hex()}}
        cases.append(case | {"output": {"scope": trust_scope(one)}})
    unsigned_ones = [(name, "ATT-8", one, co_signed(one, NETWORK)) for name, one in _defaults()]
    for name, clause, record, about in [*claims(), *unsigned_ones]:
        case = {"name": name, "clause": clause, "input": {"network": NETWORK.hex(), "record": record.raw.hex()}}
        cases.append(case | {"output": {"counts": about is not None, "request": about.hex() if about else ""}})
    return {"name": "accountability", "spec": "09-accountability", "cases": [*cases, *_weighed()]}


def test_committed_vectors() -> None:
    """spec/vectors/accountability.json is what the code makes."""
    assert json.loads(VECTORS.read_text()) == vectors()


# Agreement and events


def test_the_hash_of_an_agreement() -> None:
    """AGR-1: each number in it matters."""
    hashes = [agreed(*one) for one in AGREEMENTS]
    hashes += [agreed(bytes(32), 2, ()), agreed(bytes(31) + b"\x01", 1, ()), agreed(bytes(32), 1, ((bytes(32), 1),))]
    assert len(set(hashes)) == len(hashes)


def test_a_countersignature_acknowledges_this_agreement() -> None:
    """AGR-1, AGR-2, AGR-6: by its supplier, under its hash, in the certified box; twice is once, late is never."""
    wrong = {"countersign.1": lambda body: body | {"agreement": bytes(32)}}
    made = Handmade(wrong | {"signatures": lambda value: b"junk"})
    right = {"rfq": made.rfq.id, "agreement": made.deal().agreements[0].hash}
    made.twists = {}
    made.say(made.suppliers[1], "countersign.1", made.deal_scope, right, "countersign")
    made.say(made.members[0], "countersign.1", made.deal_scope, right, "countersign")
    box = made.deal().open[0].box
    assert box is not None
    assert not [one for one in made.logs[made.deal_scope][0].of_kind("countersign.1") if box.takes(one)]
    for _ in range(2):
        made.say(made.suppliers[0], "countersign.1", made.deal_scope, right, "countersign")
    assert made.deal().state == "agreed"
    signed = Twice({"countersign.1": lambda body: right if body["agreement"] == right["agreement"] else body})
    assert (signed.deal().state, [one.signed for one in signed.deal().agreements]) == ("countersigned", [True])
    late = Handmade(wrong)
    late.twists = {}
    late.say(late.suppliers[0], "countersign.1", late.deal_scope, right, "countersign")
    assert late.deal().state == "defaulted"


class Twice(Handmade):
    """The supplier signs the same thing two times, which is an equivocation by form and none by content."""

    def decide(self, scope: str, council: Council, question: Question) -> None:
        if question.name.startswith("signatures/"):
            first = next(one for one in self.records if one.kind == "countersign.1")
            self.say(self.suppliers[0], "countersign.1", scope, dict(first.body), "countersign")
        super().decide(scope, council, question)


def event(made: Handmade, who: Persona, action: str, member: Persona, **other: Any) -> None:
    body = {"agreement": made.deal().agreements[0].hash, "action": action, "member": member.key}
    made.say(who, "event.1", made.deal_scope, body | {"quantity": 36, "reference": "42"} | other)


def test_delivered_when_every_member_with_a_share_has_got_it() -> None:
    """AGR-4, AGR-5: by the supplier's word or the member's own; nobody else's, no payment, no other agreement."""
    made = Handmade()
    supplier, (ann, ben, cat) = made.suppliers[0], made.members
    for who, action, member in (
        (made.suppliers[1], "deliver", ann),
        (EVE, "receive", ann),
        (ben, "receive", ann),
        (supplier, "pay", ann),
        (ann, "pay", ann),
        (supplier, "correct", ann),
        (supplier, "deliver", cat),
    ):
        event(made, who, action, member)
    event(made, supplier, "deliver", ann, agreement=bytes(32))
    assert (made.deal().state, made.deal().agreements[0].delivered) == ("countersigned", ())
    event(made, ann, "receive", ann)
    assert (made.deal().state, made.deal().agreements[0].delivered) == ("countersigned", (ann.key,))
    event(made, supplier, "deliver", ben)
    assert (made.deal().state, made.deal().agreements[0].delivered) == ("delivered", tuple(sorted((ann.key, ben.key))))


def town_until(state: str) -> Town:
    """A town that has come so far, where nobody attests by themself."""
    town = Town(seed=1)
    town.acts["attest"] = lambda name, need: None
    if state == "awarded":
        town.acts["commit"] = lambda name, need: None
    town.open()
    assert town.live(300_000, lambda: any(one["state"] == state for one in town.coops("m0")))
    town.live(3_000, lambda: False)
    return town


def deal_of(town: Town) -> dict[str, Any]:
    """The deal as a member's node shows it."""
    found: dict[str, Any] = next(one for one in town.world.ask("m0", ask.AskDeals()) if "award" in one)
    return found


def key(town: Town, name: str) -> bytes:
    return town.world.nodes[name].persona.key


def refused(town: Town, name: str, command: Any) -> str:
    """The clause by which a node refuses; it signs nothing."""
    before = dict(town.world.nodes[name].records)
    with pytest.raises(CommandError) as error:
        town.world.ask(name, command)
    assert town.world.nodes[name].records == before
    return error.value.code


def test_who_may_report_what_and_when() -> None:
    """AGR-1, AGR-3: only under an agreement, for the supplier or oneself, about a share; one hash for all."""
    early = town_until("awarded")
    deal = deal_of(early)["id"]
    assert refused(early, "m0", ask.Report(deal, "receive", key(early, "m0"), 1)) == "AGR-3"
    awarded = deal_of(early)["award"]["parts"][0]["supplier"]
    assert refused(early, "m0", ask.Attest(deal, awarded, "supplier", "kept")) == "ATT-1"

    town = town_until("countersigned")
    shown = deal_of(town)
    deal, supplier = shown["id"], shown["award"]["parts"][0]["supplier"]
    (signed,) = [one for one in town.world.nodes["relay"].records.values() if one.kind == "countersign.1"]
    assert (signed.author, signed.body["agreement"]) == (supplier, shown["agreement"])
    assert refused(town, "m0", ask.Report(deal, "receive", key(town, "m1"), 1)) == "AGR-3"
    assert refused(town, "s1", ask.Report(deal, "deliver", key(town, "m0"), 1)) == "AGR-3"
    assert refused(town, "m3", ask.Report(deal, "receive", key(town, "m3"), 1)) == "AGR-3"  # declined: no share
    assert refused(town, "m0", ask.Report(deal, "steal", key(town, "m0"), 1)) == "REC-11"
    assert refused(town, "m0", ask.Report(bytes(16), "receive", key(town, "m0"), 1)) == "NEG-40"
    town.world.ask("m0", ask.Report(deal, "receive", key(town, "m0"), 300 * 60))
    sold = next(name for name in town.suppliers if key(town, name) == supplier)
    for member, _ in shown["shares"][1:] + shown["shares"][:1]:
        town.world.ask(sold, ask.Report(deal, "deliver", member, 300 * 60, "truck 7"))
    town.live(3_000, lambda: False)
    assert deal_of(town)["state"] == "delivered"


# Attestations


@pytest.mark.parametrize(("name", "clause", "record", "about"), claims(), ids=lambda one: str(one)[:40])
def test_what_an_attestation_rests_on(name: str, clause: str, record: Record, about: bytes | None) -> None:
    """ATT-2, ATT-3."""
    assert co_signed(record, NETWORK) == about
    found = evidence([record], {}, NETWORK)
    assert [one.agreement for one in found] == ([about] if about else [])


@given(st.lists(st.binary(min_size=1, max_size=300) | st.sampled_from(range(3)), max_size=4))
def test_any_evidence_counts_or_does_not(shown: list[Any]) -> None:
    """ATT-2: nothing that is shown does more than not count."""
    supplier, _, member = other_party()
    raws = [said("commitment.1", member).raw, said("countersign.1").raw, said("rfq.1").raw]
    record = attestation(member, supplier.key, "supplier", [raws[one] if type(one) is int else one for one in shown])
    assert (co_signed(record, NETWORK) is not None) == (sorted(map(str, shown)) == ["0", "1"])


def test_one_deal_is_one_agreement_whatever_is_named() -> None:
    """ATT-3: a reporter who names a new hash each time says nothing more."""
    _, negotiator, member = other_party()
    shown = [said("commitment.1", member).raw, said("rfq.1").header.proof()]
    many = [
        attestation(member, negotiator.key, "negotiator", shown, agreement=bytes([number]) * 32) for number in range(9)
    ]
    assert {one.agreement for one in evidence(many, {}, NETWORK)} == {said("rfq.1").id}


def test_first_sight_of_what_came_late() -> None:
    """ATT-5: remembered beyond 72 hours, and counted from then."""
    supplier, _, member = other_party()
    record = attestation(
        member, supplier.key, "supplier", [said("commitment.1", member).raw, said("countersign.1").raw]
    )
    assert not came_late(record, START_MS + FIRST_SIGHT_MS)
    assert came_late(record, START_MS + FIRST_SIGHT_MS + 1)
    assert not came_late(said("rfq.1"), START_MS + 10 * FIRST_SIGHT_MS)
    (late,) = evidence([record], {record.id: START_MS + 10**9}, NETWORK)
    assert (late.stamped_ms, late.seen_ms) == (START_MS, START_MS + 10**9)


def test_attestations_in_a_town() -> None:
    """ATT-1, ATT-3, ATT-4: who may say what of whom, once, where, and until when."""
    town = town_until("countersigned")
    shown = deal_of(town)
    deal, supplier, negotiator = shown["id"], shown["award"]["parts"][0]["supplier"], shown["negotiator"]
    mine = next(name for name in ("m0", "m1") if key(town, name) != negotiator)
    elected = next(name for name in town.members if key(town, name) == negotiator)
    sold = next(name for name in town.suppliers if key(town, name) == supplier)
    for name, subject, role, code in (
        (mine, key(town, "m2"), "supplier", "ATT-1"),
        (mine, supplier, "negotiator", "ATT-1"),
        (mine, supplier, "friend", "ATT-1"),
        (mine, key(town, "m3"), "member", "ATT-2"),
        ("m3", supplier, "supplier", "ATT-2"),
        (elected, negotiator, "negotiator", "ATT-2"),
        (sold, key(town, "m3"), "member", "ATT-2"),
    ):
        assert refused(town, name, ask.Attest(deal, subject, role, "kept")) == code
    assert refused(town, mine, ask.Attest(deal, supplier, "supplier", "splendid")) == "REC-11"
    said_now = town.world.ask(mine, ask.Attest(deal, supplier, "supplier", "kept", {"time": 4}))["id"]
    assert refused(town, mine, ask.Attest(deal, supplier, "supplier", "broken")) == "ATT-3"
    town.world.ask(sold, ask.Attest(deal, key(town, mine), "member", "kept"))
    town.world.ask(mine, ask.Attest(deal, negotiator, "negotiator", "broken"))
    record = town.world.nodes[mine].records[said_now]
    assert record.scope == "trust/" + supplier.hex()[0]
    assert 0 <= record.header.expires - record.header.created - ATTESTATION_LIFE_MS < 1000  # stamps are rounded
    assert record.header.slot == Slot("once", f"{shown['agreement'][:8].hex()}/{supplier[:8].hex()}/supplier", 0)


def test_what_counts_for_an_observer() -> None:
    """ATT-2, ATT-3, ATT-5, ATT-6: unfounded and equivocated ones are held and do not count; digests do not care."""
    town = town_until("countersigned")
    world, shown = town.world, deal_of(town)
    supplier, scope = shown["award"]["parts"][0]["supplier"], trust_scope(shown["award"]["parts"][0]["supplier"])
    observer, reporter = world.nodes["m2"], world.nodes["m0"]

    def expected() -> float:
        found: float = world.ask("m0", ask.AskStanding(supplier, "supplier"))["expectation"]
        return found

    def attested(who: Persona, slot: str, created: int, shows: list[bytes], outcome: str = "kept") -> Record:
        body = {"subject": supplier, "role": "supplier", "agreement": shown["agreement"], "outcome": outcome}
        body |= {"dimensions": {}, "evidence": shows, "remark": ""}
        record = Record.sign(
            who, sim.NETWORK, "attestation.1", scope, body, created=created, expires=created + ATTESTATION_LIFE_MS,
            slot=Slot("once", slot, 0),
        )  # fmt: skip
        for node in (observer, reporter):
            world.handle(node.name, RecordReceived(record, ""))
            assert record.id in node.records
        return record

    records = observer.records.values()
    commit = next(one for one in records if one.kind == "commitment.1" and one.author == reporter.persona.key)
    signed = next(one for one in records if one.kind == "countersign.1")
    unknown = expected()
    attested(reporter.persona, "unfounded", world.now, [commit.raw])
    assert expected() == unknown
    old = attested(reporter.persona, "old", world.now - 2 * FIRST_SIGHT_MS, [commit.raw, signed.raw])
    assert expected() > unknown
    assert f"seen/{old.id.hex()}" in observer.facts
    attested(reporter.persona, "old", world.now, [commit.raw, signed.raw], "broken")
    assert expected() == unknown
    assert sum(name.startswith("seen/") for name in observer.facts) == 1
    world.now += 1_000
    assert len({world.ask(name, ask.AskDigest(scope))["digest"] for name in ("m0", "m2")}) == 1


# What else is evidence


HOUR_MS = 3_600_000


def word(who: Persona, subject: Persona, role: str, outcome: str, hours: int) -> Record:
    """A founded attestation of member and supplier, signed so many hours after the start."""
    member = subject if role == "member" else who
    body: dict[str, Any] = {"subject": subject.key, "role": role, "agreement": dealt().deal().agreements[0].hash}
    shown = [said("commitment.1", member).raw, said("countersign.1").raw]
    body |= {"outcome": outcome, "dimensions": {}, "remark": "", "evidence": shown}
    created, slot = START_MS + hours * HOUR_MS, Slot("once", f"x/{role}", 0)
    until = created + ATTESTATION_LIFE_MS
    scope = trust_scope(subject.key)
    return Record.sign(who, NETWORK, "attestation.1", scope, body, created=created, expires=until, slot=slot)


def counted(*records: Record, seen: dict[bytes, int] | None = None) -> list[tuple[bytes, str]]:
    return [(one.reporter, one.kind) for one in evidence(records, seen or {}, NETWORK)]


@pytest.mark.parametrize(
    ("theirs", "mine", "hours", "counts"),
    [
        ("broken", "broken", 0, True),
        ("broken", "broken", 72, True),
        ("broken", "broken", 73, False),
        ("broken", "kept", 999, True),
        ("kept", "broken", 999, True),
        ("kept", "kept", 999, True),
    ],
)
def test_bad_for_bad_days_later_counts_for_nothing(theirs: str, mine: str, hours: int, counts: bool) -> None:
    """ATT-18: by what this observer saw first, and only where the answer is as bad as what it answers."""
    supplier, _, member = other_party()
    first, second = word(member, supplier, "supplier", theirs, 0), word(supplier, member, "member", mine, hours)
    expected = [(member.key, theirs)] + ([(supplier.key, mine)] if counts else [])
    assert counted(first, second) == expected
    assert sorted(counted(second, first)) == sorted(expected)


def test_first_sight_and_not_the_stamp_tells_who_answered() -> None:
    """ATT-18, ATT-5: an answer that is set back in time is as late as it came; others' deals are not touched."""
    supplier, _, member = other_party()
    first, back = word(member, supplier, "supplier", "broken", 0), word(supplier, member, "member", "broken", -500)
    assert counted(first, back) == [(supplier.key, "broken")]  # nobody saw it late: then it was first
    assert counted(first, back, seen={back.id: START_MS + 73 * HOUR_MS}) == [(member.key, "broken")]


def _vouch(who: Persona, subject: Persona, days: int = -10, slot: str = "") -> Record:
    created = START_MS + days * 24 * HOUR_MS
    where = Slot("once", slot or f"vouch/{subject.key.hex()}", 0)
    body, scope = {"subject": subject.key}, trust_scope(subject.key)
    return Record.sign(
        who, NETWORK, "vouch.1", scope, body, created=created, expires=created + ATTESTATION_LIFE_MS, slot=where
    )


def test_who_vouches_answers_for_it() -> None:
    """ATT-20, REP-6: a vouch is evidence, and a default within 360 days costs whoever vouched for the defaulter."""
    supplier, _, member = other_party()
    bad, good = (word(member, supplier, "supplier", outcome, 0) for outcome in ("broken", "kept"))
    friend = persona("friend")
    rows = evidence([bad, _vouch(friend, supplier)], {}, NETWORK)
    assert [(one.reporter, one.subject, one.kind) for one in rows] == [
        (member.key, supplier.key, "broken"),
        (friend.key, supplier.key, "vouch"),
        (member.key, friend.key, "sponsored"),
    ]
    for harmless in (
        [good, _vouch(friend, supplier)],
        [bad, _vouch(friend, member)],
        [bad, _vouch(friend, supplier, days=1)],
        [bad, _vouch(friend, supplier, days=-361)],
        [bad, _vouch(member, supplier)],
        [bad, _vouch(friend, supplier, slot="vouch/0")],
    ):
        assert "sponsored" not in [one.kind for one in evidence(harmless, {}, NETWORK)]
    assert [one.kind for one in evidence([_vouch(supplier, supplier)], {}, NETWORK)] == []


def test_what_is_proved_is_the_observer_s_own_experience() -> None:
    """ATT-20: double signatures by what their author was trusted with, each once; nothing without a proof."""
    two = [service(), service("vote.1", about=0)]
    proof = FaultProof.of(*two)
    fault = _fault(proof, fault_slot(proof))
    again = _fault(proof, fault_slot(proof), persona("eve"))
    rows = evidence([fault, again], {}, NETWORK, ANN.key)
    assert [(one.reporter, one.subject, one.role, one.kind) for one in rows] == [
        (ANN.key, WITNESS.key, "relay", "broken")
    ]
    assert evidence([fault], {}, NETWORK) == []
    assert evidence([fault], {}, NETWORK, WITNESS.key) == []
    assert evidence([_fault(proof, "fault/0")], {}, NETWORK, ANN.key) == []
    harmless = FaultProof.of(service("query.1"), service("query.1", about=0))
    assert evidence([_fault(harmless, fault_slot(harmless))], {}, NETWORK, ANN.key) == []


def _fault(proof: FaultProof, slot: str, who: Persona = EVE) -> Record:
    body, until = {"first": proof.first.proof(), "second": proof.second.proof()}, START_MS + ATTESTATION_LIFE_MS
    where, scope = Slot("once", slot, 0), trust_scope(proof.first.author)
    return Record.sign(who, NETWORK, "fault.1", scope, body, created=START_MS, expires=until, slot=where)


def test_a_default_is_evidence_too() -> None:
    """ATT-20, NEG-65: a quotation that its supplier sealed so that it opens for nobody; a good one proves nothing."""
    made, good = dealt(), said("quotation.1")
    supplier = _by(good)
    junk = seal_to(made.rfq.body["boxes"], 1, bytes(SEALED_BLOCK_BYTES), made.rfq.id + supplier.key, made.draw)
    bad = Record.parse(forged(good, supplier, **junk.to_mapping()), NETWORK)
    proof, no_proof = (_default_record(made, one) for one in (bad, good))
    rows = evidence([proof, proof], {}, NETWORK, ANN.key)
    assert [(one.reporter, one.subject, one.role, one.kind) for one in rows] == [
        (ANN.key, supplier.key, "supplier", "broken")
    ]
    assert evidence([no_proof], {}, NETWORK, ANN.key) == []


def _default_record(made: Handmade, quotation: Record) -> Record:
    shares = [
        [place, own_share(quotation, place, one.box_seed(made.hash))] for place, one in enumerate(made.witnesses)
    ]
    body, where = {"quotation": quotation.raw, "shares": shares}, Slot("once", default_slot(quotation), 0)
    scope, until = trust_scope(quotation.author), START_MS + ATTESTATION_LIFE_MS
    return Record.sign(EVE, NETWORK, "default.1", scope, body, created=START_MS, expires=until, slot=where)


def test_a_remedy_that_is_confirmed() -> None:
    """REP-4: the row says so, and reputation counts a quarter."""
    supplier, _, member = other_party()
    bad = word(member, supplier, "supplier", "broken", 0)
    assert [one.remedied for one in evidence([bad], {}, NETWORK)] == [False]
    assert [one.remedied for one in evidence([bad], {}, NETWORK, remedied=[bad.id])] == [True]


def _weighed() -> list[dict[str, Any]]:
    """What of several records in trust scopes is evidence, as rows; which is what reputation counts."""
    supplier, _, member = other_party()
    bad, good = (word(member, supplier, "supplier", outcome, 0) for outcome in ("broken", "kept"))
    soon, late, back = (word(supplier, member, "member", "broken", hours) for hours in (72, 73, -500))
    friend, proof = persona("friend"), FaultProof.of(service(), service("vote.1", about=0))
    fault, harmless = _fault(proof, fault_slot(proof)), FaultProof.of(service("query.1"), service("query.1", about=0))
    tries: list[tuple[str, str, list[Record], dict[bytes, int]]] = [
        ("bad for bad in three days", "ATT-18", [bad, soon], {}),
        ("bad for bad later", "ATT-18", [bad, late], {}),
        ("bad for good later", "ATT-18", [good, late], {}),
        ("bad for bad, set back", "ATT-18", [bad, back], {back.id: START_MS + 73 * HOUR_MS}),
        ("a vouch for whom it is broken", "ATT-20", [bad, _vouch(friend, supplier)], {}),
        ("a vouch for whom it is kept", "ATT-20", [good, _vouch(friend, supplier)], {}),
        ("a vouch a year before", "ATT-20", [bad, _vouch(friend, supplier, days=-361)], {}),
        ("a vouch afterwards", "ATT-20", [bad, _vouch(friend, supplier, days=1)], {}),
        ("a vouch by whom it was broken to", "ATT-20", [bad, _vouch(member, supplier)], {}),
        ("a vouch in another slot", "ATT-20", [bad, _vouch(friend, supplier, slot="vouch/0")], {}),
        ("a double signature", "ATT-20", [fault], {}),
        ("a double signature, shown late", "ATT-20", [fault], {fault.id: START_MS + 99 * HOUR_MS}),
        ("a double signature shown twice", "ATT-20", [fault, _fault(proof, fault_slot(proof), persona("eve"))], {}),
        ("a double signature in another slot", "ATT-20", [_fault(proof, "fault/0")], {}),
        ("a double signature that harms nobody", "ATT-20", [_fault(harmless, fault_slot(harmless))], {}),
    ]
    cases = []
    for name, clause, records, seen in tries:
        given: dict[str, Any] = {"network": NETWORK.hex(), "observer": ANN.key.hex()}
        given |= {"records": [one.raw.hex() for one in records]}
        rows = []
        for one in evidence(records, seen, NETWORK, ANN.key):
            who, about = (one.reporter.hex(), one.subject.hex()), one.agreement.hex()
            rows.append([*who, one.role, one.kind, about, one.stamped_ms, one.seen_ms])
        given |= {"seen": {one.hex(): when for one, when in seen.items()}}
        cases.append({"name": name, "clause": clause, "input": given, "output": sorted(rows)})
    return cases


# A supplier that did not sign (ATT-8)


@cache
def unsigned() -> Handmade:
    """A deal whose supplier quoted, was awarded, and countersigned something else."""
    return Handmade({"countersign.1": lambda body: body | {"agreement": bytes(32)}})


def _default(*, without: str = "", twist: Callable[[list[Record]], list[Record]] = list, **more: Any) -> Record:
    made = unsigned()
    member, supplier = made.members[0], made.suppliers[0]
    records = [
        next(one for one in made.records if one.kind == "commitment.1" and one.author == member.key),
        next(one for one in made.records if one.kind == "quotation.1" and one.author == supplier.key),
        made.rfq,
        next(one for one in made.records if one.kind == "proposal.1" and one.body["question"].startswith("award/")),
        *(one for one in made.records if one.kind == "vote.1" and one.body["question"].startswith("award/")),
    ]
    shown = [one for one in twist(records) if one.kind != without]
    return attestation(member, supplier.key, "supplier", [one.raw for one in shown], **{"outcome": "broken"} | more)


def _made_up(true: list[Record]) -> list[Record]:
    """An award that the member made up and committed to, with the votes for the true one."""
    mine, quoted, rfq, proposed, *votes = true
    award = decode(proposed.body["value"])
    award["parts"][0]["unit_price_minor"] -= 1
    committed, value = _again(mine, award=digest_of("award", award)), _again(proposed, value=encode(award))
    return [committed, quoted, rfq, value, *votes]


def _again(one: Record, **other: Any) -> Record:
    made, head = unsigned(), one.header
    who = next(each for each in made.members if each.key == one.author)
    body, times = dict(one.body) | other, (head.created, head.expires)
    return Record.sign(who, NETWORK, one.kind, one.scope, body, created=times[0], expires=times[1], slot=head.slot)


@cache
def _defaults() -> list[tuple[str, Record]]:
    """What shows that a supplier did not sign, and then what does not."""
    others = [one for one in unsigned().records if one.kind == "proposal.1"]
    elsewhere = next(one for one in others if one.body["question"].startswith("commitments/"))
    losing = next(
        one for one in unsigned().records if one.kind == "quotation.1" and one.author != unsigned().suppliers[0].key
    )
    declined = next(
        one for one in unsigned().records if one.kind == "commitment.1" and one.body["answer"] == "decline"
    )
    return [
        ("an award unsigned", _default()),
        ("an award unsigned, and yet kept", _default(outcome="kept")),
        ("unsigned, without the quotation", _default(without="quotation.1")),
        ("unsigned, without the award", _default(without="proposal.1")),
        ("unsigned, without the request", _default(without="rfq.1")),
        ("unsigned, without votes", _default(without="vote.1")),
        ("unsigned, with another value", _default(twist=lambda all_: [*all_[:3], elsewhere, *all_[4:]])),
        ("unsigned by who was not awarded", _default(twist=lambda all_: [all_[0], losing, *all_[2:]])),
        ("unsigned, an award made up", _default(twist=_made_up)),
        ("unsigned, by who declined", _default(twist=lambda all_: [declined, *all_[1:]])),
        ("unsigned, one record twice", _default(twist=lambda all_: [*all_, all_[0]])),
    ]


def test_who_leaves_an_award_unsigned_answers_for_it() -> None:
    """ATT-8: by the member's commitment, their quotation, and the award that names them."""
    assert unsigned().deal().state == "defaulted"
    (_, good), *bad = _defaults()
    assert co_signed(good, NETWORK) == unsigned().rfq.id
    assert [co_signed(one, NETWORK) for _, one in bad] == [None] * 10


def test_a_member_attests_a_default_by_its_own_node() -> None:
    """ATT-8, ATT-1: broken is what can be said of who did not sign; kept is not."""
    made = unsigned()
    desk = at(made, "defaulted", made.members[0])
    deal = bytes.fromhex(made.deal_scope.removeprefix("deal/"))
    subject = made.suppliers[0].key
    (need,) = [one for one in desk.ask(ask.AskNeeds()) if one["kind"] == "attest" and one["role"] == "supplier"]
    assert need["outcome"] == "broken"
    with pytest.raises(CommandError) as caught:
        desk.ask(ask.Attest(deal, subject, "supplier", "kept"))
    assert caught.value.code == "ATT-2"
    desk.ask(ask.Attest(deal, subject, "supplier", "broken"))
    (said_,) = desk.said("attestation.1")
    assert co_signed(said_, NETWORK) == made.rfq.id
