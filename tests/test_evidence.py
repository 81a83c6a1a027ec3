"""Who may stand and who is a newcomer, counted from what they attach: the same at every node (07-election, ELE-34 to
ELE-37; 10-reputation, REP-11, REP-12)."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.coop.charter import charter_hash, coop_scope, roster_of, sponsors
from protocol.coop.coop import good_nomination, slot_name
from protocol.coop.evidence import Admission, Standing, admission, attached, standing_in, vouch_slot
from protocol.errors import Reject
from protocol.identity import Persona
from protocol.params import EVIDENCE_BYTES_MAX, EVIDENCE_MAX, MEMBERS_MAX, NEWCOMER_OUTCOMES
from protocol.record.kinds import KINDS
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope
from tests.deals import LIFE_MS, NETWORK, START_MS, TEMPLATE, TIMES, Handmade, persona

ANN = persona("m0")
SELLERS = [persona(f"seller{number}") for number in range(9)]
FRIENDS = [persona(f"friend{number}") for number in range(9)]
ID = bytes(32)


def say(who: Persona, kind: str, scope: str, body: dict[str, Any], slot: str, created: int = START_MS) -> Record:
    where = Slot(KINDS[kind].mode, slot, 0)
    return Record.sign(who, NETWORK, kind, scope, body, created=created, expires=created + LIFE_MS, slot=where)


def outcome(seller: Persona, subject: Persona = ANN, created: int = START_MS - 1, **more: Any) -> Record:
    """A supplier attests a member, with the two signatures that show there was a deal (ATT-2)."""
    scope, rfq = "deal/" + seller.key.hex()[:32], seller.key
    numbers = {"want": 1, "tolerate": 0, "least": 0, "price_max_minor": 1}
    answer = {"rfq": rfq, "award": ID, "answer": "commit", "reason": "", "remark": ""}
    mine = say(subject, "commitment.1", scope, answer | numbers, "commitment")
    theirs = say(seller, "countersign.1", scope, {"rfq": rfq, "agreement": ID}, "countersign")
    body = {"subject": subject.key, "role": "member", "agreement": ID, "outcome": "kept", "dimensions": {}}
    body |= {"evidence": [mine.raw, theirs.raw], "remark": ""} | more
    return say(seller, "attestation.1", "trust/0", body, "said", created)


def vouch(
    friend: Persona, subject: Persona = ANN, slot: str = "", created: int = START_MS - 1, scope: str = ""
) -> Record:
    body, where = {"subject": subject.key}, scope or trust_scope(subject.key)
    return say(friend, "vouch.1", where, body, slot or vouch_slot(subject.key), created)


def stands(evidence: list[Record] | list[bytes], who: Persona = ANN, roster: bytes = ID) -> Record:
    """A nomination that attaches this."""
    body = {"roster": roster, "fee_minor": 0, "interests": ["none"], "statement": "", "language": "en"}
    raws = [one if isinstance(one, bytes) else one.raw for one in evidence]
    return say(who, "nomination.1", "coop/a", body | {"evidence": raws}, slot_name("nomination", roster))


def count(evidence: list[Record] | list[bytes], vouchers: list[Persona] | None = None) -> tuple[int, int]:
    keys = [one.key for one in (FRIENDS if vouchers is None else vouchers)]
    found = standing_in(stands(evidence), keys, NETWORK)
    return found.outcomes, found.vouches


COUNTS: list[tuple[str, list[Record], tuple[int, int]]] = [
    ("nothing", [], (0, 0)),
    ("three sellers", [outcome(one) for one in SELLERS[:3]], (3, 0)),
    ("one seller twice", [outcome(SELLERS[0]), outcome(SELLERS[0], remark="again")], (1, 0)),
    ("a broken word", [outcome(SELLERS[0], outcome="broken")], (0, 0)),
    ("about another", [outcome(SELLERS[0], persona("m1"))], (0, 0)),
    ("by oneself", [outcome(ANN)], (0, 0)),
    ("without what both signed", [outcome(SELLERS[0], evidence=[])], (0, 0)),
    ("another agreement", [outcome(SELLERS[0], agreement=b"\1" * 32)], (0, 0)),
    ("signed later", [outcome(SELLERS[0], created=START_MS + 1)], (0, 0)),
    ("expired", [outcome(SELLERS[0], created=START_MS - LIFE_MS)], (0, 0)),
    ("two friends", [vouch(one) for one in FRIENDS[:2]], (0, 2)),
    ("a stranger's word", [vouch(persona("stranger"))], (0, 0)),
    ("for oneself", [vouch(ANN)], (0, 0)),
    ("for another", [vouch(FRIENDS[0], persona("m1"))], (0, 0)),
    ("in another slot", [vouch(FRIENDS[0], slot="vouch/0")], (0, 0)),
    ("in another scope", [vouch(FRIENDS[0], scope="trust/0")], (0, 0)),
    ("a vouch that is over", [vouch(FRIENDS[0], created=START_MS - LIFE_MS)], (0, 0)),
    ("of all sorts", [outcome(SELLERS[0]), vouch(FRIENDS[0]), stands([])], (1, 1)),
]


@pytest.mark.parametrize(("evidence", "expected"), [row[1:] for row in COUNTS], ids=[row[0] for row in COUNTS])
def test_what_counts(evidence: list[Record], expected: tuple[int, int]) -> None:
    """ELE-34, REP-11: distinct counterparties and vouchers; whoever attaches what does not count has gained nothing."""
    assert count(evidence) == count(evidence[::-1]) == expected


def test_bytes_that_are_no_record_count_for_nothing() -> None:
    """ELE-34: nor do they void what stands beside them."""
    foreign = Record.parse(outcome(SELLERS[0]).raw, NETWORK)
    assert count([b"junk", foreign.raw[:-1], foreign.raw]) == (1, 0)
    assert [one.id for one in attached(stands([b"junk", foreign.raw]), NETWORK)] == [foreign.id]
    assert standing_in(stands([foreign.raw]), [], bytes(32)) == Standing(0, 0)


def test_a_record_stays_within_its_bound() -> None:
    """ELE-34, REC-4: the most evidence beside the largest intent and every other field."""
    rest = 20_000 + 512 + 16 * 34 + 3_000
    assert EVIDENCE_MAX * EVIDENCE_BYTES_MAX + rest < 64 * 1024
    with pytest.raises(Reject, match="REC-11"):
        stands([bytes(10)] * (EVIDENCE_MAX + 1))
    with pytest.raises(Reject, match="REC-11"):
        stands([bytes(EVIDENCE_BYTES_MAX + 1)])
    assert stands([bytes(EVIDENCE_BYTES_MAX)] * EVIDENCE_MAX)


@given(st.lists(st.sampled_from(range(len(COUNTS))), max_size=8))
def test_counting_never_loses_by_more(chosen: list[int]) -> None:
    """ELE-34: more evidence never counts less, in whatever order it stands."""
    pool = [one for at in chosen for one in COUNTS[at][1]][:EVIDENCE_MAX]
    whole = count(pool)
    assert count(pool[::-1]) == whole
    for at in range(len(pool)):
        less = count(pool[:at] + pool[at + 1 :])
        assert less[0] <= whole[0]
        assert less[1] <= whole[1]


def test_newcomers_are_counted_and_not_scored() -> None:
    """REP-12"""
    assert [Standing(outcomes, 0).newcomer for outcomes in (0, 2, 3)] == [True, True, False]
    assert not Standing(0, 1).newcomer
    assert NEWCOMER_OUTCOMES == 3


# What a charter demands


def charter(*members: Persona, witnesses: int = 1, **more: Any) -> Record:
    """A charter by m0 that lists these."""
    body: dict[str, Any] = {
        "nonce": bytes(16),
        "purpose": "Tea",
        "category": "tea",
        "region": "any",
        "template": TEMPLATE.hash,
        "epoch": 0,
        "listed": sorted(one.key for one in members),
        "least": 2,
        "most": 40,
        "witnesses": sorted(one.key for one in FRIENDS[:witnesses]),
        "fee_max_minor": 0,
        "risk": "lowest",
        "times": TIMES,
    }
    body |= more
    return say(ANN, "charter.1", coop_scope(charter_hash(ANN.key, body)), body, "charter")


ASKED = {"outcomes": 2, "vouches": 1, "newcomers": 3, "elect_newcomers": 1}
FREE = Admission(0, 0, MEMBERS_MAX, True)
DEMANDS: list[tuple[str, Record, Admission]] = [
    ("lowest, nothing said", charter(), FREE),
    ("lowest, as said", charter(admits=ASKED), Admission(2, 1, 3, True)),
    ("low, four witnesses", charter(risk="low", witnesses=4), Admission(0, 0, 1, False)),
    ("high, seven witnesses", charter(risk="high", witnesses=7), Admission(3, 1, 2, False)),
    ("low, three witnesses", charter(risk="low", witnesses=3), Admission(0, 0, 0, False)),
    ("no charter can loosen that", charter(risk="low", witnesses=4, admits=ASKED), Admission(2, 1, 1, False)),
    ("but be stricter", charter(risk="low", witnesses=7, admits=ASKED | {"newcomers": 0}), Admission(2, 1, 0, False)),
]


@pytest.mark.parametrize(("made", "expected"), [row[1:] for row in DEMANDS], ids=[row[0] for row in DEMANDS])
def test_what_a_charter_demands(made: Record, expected: Admission) -> None:
    """ELE-35, RSK-3"""
    assert admission(made) == expected
    assert admission(made).asks is (expected != FREE)


ELECTS: list[tuple[str, Admission, Standing, bool]] = [
    ("anybody", FREE, Standing(0, 0), True),
    ("too few outcomes", Admission(2, 0, 9, True), Standing(1, 5), False),
    ("enough outcomes", Admission(2, 0, 9, True), Standing(2, 0), True),
    ("too few vouches", Admission(0, 2, 9, True), Standing(8, 1), False),
    ("a newcomer", Admission(0, 0, 9, False), Standing(2, 0), False),
    ("no newcomer by outcomes", Admission(0, 0, 9, False), Standing(3, 0), True),
    ("no newcomer by a vouch", Admission(0, 0, 9, False), Standing(0, 1), True),
]


@pytest.mark.parametrize(("asked", "shown", "good"), [row[1:] for row in ELECTS], ids=[row[0] for row in ELECTS])
def test_who_is_electable(asked: Admission, shown: Standing, good: bool) -> None:
    """ELE-36"""
    assert asked.elects(shown) is good


def test_a_nomination_that_shows_too_little_is_not_in_the_box() -> None:
    """ELE-36: the same nomination with a member's vouch is; a stranger's is not enough."""
    coop = Handmade(members=3).coop()
    strict = type(coop)(
        **{name: getattr(coop, name) for name in coop.__slots__}
        | {"charter": coop.charter._replace(body={**coop.charter.body, "risk": "low"})}
    )
    bare, vouched, stranger = (
        stands(shown, roster=coop.roster) for shown in ([], [vouch(persona("m1"))], [vouch(persona("nobody"))])
    )
    assert [good_nomination(coop, NETWORK, one) for one in (bare, vouched, stranger)] == [True, True, True]
    assert [good_nomination(strict, NETWORK, one) for one in (bare, vouched, stranger)] == [False, True, False]


# Newcomers on a roster


@cache
def joins(known: int, fresh: int) -> tuple[Record, list[Record]]:
    """A charter of medium risk with seven witnesses (two newcomers may join), and joins by these many of each sort."""
    people = [persona(f"p{number}") for number in range(known + fresh)]
    made = charter(*people, risk="low", witnesses=7)
    found = []
    for number, who in enumerate(people):
        intent = say(who, "intent.1", "board/tea/any", _INTENT, "tea")
        body: dict[str, Any] = {"charter": charter_hash(ANN.key, made.body), "intent": intent.raw, "box": bytes(32)}
        body |= {"least": 0, "most": 0, "exclude": []}
        if number < known:
            body |= {"evidence": [vouch(FRIENDS[0], who).raw]}
        found.append(say(who, "join.1", made.scope, body, "join"))
    return made, found


_INTENT: dict[str, Any] = {
    "template": TEMPLATE.hash,
    "want": 3,
    "tolerate": 1,
    "spend_minor": 3_000,
    "readiness": "ready",
    "ready_by": START_MS + LIFE_MS,
    "levels": {},
    "terms": ["basic"],
}


def test_few_newcomers_on_a_roster() -> None:
    """ELE-36, FRM-27: of five newcomers the two of least record id, whatever the order; all others stay."""
    made, said = joins(4, 5)
    known, fresh = said[:4], sorted(said[4:], key=lambda one: one.id)
    expected = sorted(one.author for one in (*known, *fresh[:2]))
    for order in (said, said[::-1]):
        assert [one.key for one in roster_of(made, order, NETWORK)] == expected
    assert FRIENDS[0].key in sponsors(made)


def test_without_the_rule_all_are_in() -> None:
    """ELE-36: the control, a charter of the lowest class."""
    made, said = joins(4, 5)
    lowest = made._replace(body={**made.body, "risk": "lowest"})
    assert len(roster_of(lowest, said, NETWORK)) == 9


def plain(one: Record) -> str:
    return one.raw.hex()


def vectors() -> dict[str, Any]:
    """Evidence and what it counts, charters and what they demand, standings and who is electable, a roster."""
    keys = [one.key.hex() for one in FRIENDS]
    cases: list[dict[str, Any]] = [
        {
            "name": f"counted: {name}",
            "clause": "ELE-34",
            "input": {"record": plain(stands(evidence)), "vouchers": keys},
            "output": {"outcomes": expected[0], "vouches": expected[1]},
        }
        for name, evidence, expected in COUNTS
    ]
    names = ("outcomes", "vouches", "newcomers", "elect_newcomers")
    cases += [
        {
            "name": f"demanded: {name}",
            "clause": "ELE-35",
            "input": plain(made),
            "output": {field: int(getattr(asked, field)) for field in names},
        }
        for name, made, asked in DEMANDS
    ]
    cases += [
        {
            "name": f"electable: {name}",
            "clause": "ELE-36",
            "input": {one: int(getattr(asked, one)) for one in names} | {"shown": [shown.outcomes, shown.vouches]},
            "output": good,
        }
        for name, asked, shown, good in ELECTS
    ]
    made, said = joins(4, 5)
    cases.append(
        {
            "name": "a roster with few newcomers",
            "clause": "ELE-36",
            "input": {"charter": plain(made), "joins": [plain(one) for one in said]},
            "output": [one.key.hex() for one in roster_of(made, said, NETWORK)],
        }
    )
    return {"name": "evidence", "spec": "07-election", "network": NETWORK.hex(), "cases": cases}
