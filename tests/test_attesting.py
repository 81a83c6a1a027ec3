"""Two sides attest each other blind: what they, their witnesses and strangers can do to it (09-accountability, ATT-9 to
ATT-19)."""

from __future__ import annotations

import pytest

from protocol import commands as ask
from protocol.encoding import encode
from protocol.errors import CommandError
from protocol.params import FIRST_SIGHT_MS
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.trust import assessment
from tests.deals import NETWORK
from tests.sealed_words import (
    ATTEST_MS,
    SETTLE_MS,
    Table,
    attestation,
    dealt,
    member,
    negotiator,
    pair,
    sealed,
    shares_of,
    supplier,
)

A_WHILE = SETTLE_MS  # until witnesses have gathered their words, and whoever is to publish has had its turn


def states(table: Table) -> dict[str, int]:
    """How many assessments are in which state, the same for the two who are concerned."""
    found: dict[str, int] = {}
    for row in table.seen(member()):
        found[row["state"]] = found.get(row["state"], 0) + 1
    return found


def test_both_speak_and_both_are_read_at_once() -> None:
    """ATT-9, ATT-14, ATT-16: nothing is readable while one is silent; then both are public, at every node."""
    table = Table()
    said = table.attest(member(), supplier(), "supplier", "broken", remark="Late.")
    assert (said["sealed"], said["spoken"]) == (1, 0)
    table.talk(A_WHILE)
    assert states(table) == {"sealed": 1}
    assert not any(table.public(desk.who) for desk in table.desks.values())
    assert not [one for one in table.passed.values() if one.kind in ("release.1", "attestation.1")]
    answer = table.attest(supplier(), member(), "member")
    assert answer["spoken"] == 1
    table.talk(A_WHILE)
    assert states(table) == {"open": 2}
    for desk in table.desks.values():
        assert (member().key, supplier().key, "broken") in table.public(desk.who)
    assert (supplier().key, member().key, "kept") in table.public(member())
    (row,) = [one for one in table.seen(supplier()) if one["author"] == member().key]
    assert (row["outcome"], row["remark"], row["role"]) == ("broken", "Late.", "supplier")


def test_one_is_silent_and_time_is_up() -> None:
    """ATT-13, ATT-14: opened by the witnesses' own clocks; its author need not be there any more."""
    table = Table()
    said = table.attest(member(), supplier(), "supplier")
    table.talk(A_WHILE)
    del table.desks[member().key]
    until = table.desks[supplier().key].ask(ask.AskDeals())[0]["spoken"][0]["until"]
    assert said["until"] <= until <= table.now + ATTEST_MS
    table.talk(ATTEST_MS - 2 * A_WHILE)
    assert not table.public(supplier())
    table.talk(3 * A_WHILE)
    assert table.public(supplier()) == [(member().key, supplier().key, "kept")]


def test_both_are_silent() -> None:
    """ATT-14: nothing happens, for ever."""
    table = Table()
    table.talk(10 * ATTEST_MS)
    assert not [one for one in table.passed.values() if one.kind in ("release.1", "attestation.1", "assessment.1")]


def test_neither_side_can_keep_an_opened_one_back() -> None:
    """ATT-16: author and subject are gone; one of f + 1 witnesses publishes both."""
    table = Table()
    table.attest(member(), supplier(), "supplier", "broken")
    table.attest(supplier(), member(), "member", "broken")
    said = [one for desk in table.desks.values() for one in desk.said("assessment.1")]
    for record in said:
        table.tell(record)
    for who in (member(), supplier()):
        del table.desks[who.key]
    for wait in range(5):
        table.talk((wait + 1) * A_WHILE)
    witnesses = [table.desks[one.key].who for one in dealt().witnesses if one.key in table.desks]
    assert len(witnesses) == 3
    found = {row for one in witnesses for row in table.public(one)}
    assert found == {(member().key, supplier().key, "broken"), (supplier().key, member().key, "broken")}


@pytest.mark.parametrize(("silent", "opens"), [(1, True), (2, False)])
def test_as_many_witnesses_as_may_be_bad_are_silent(silent: int, opens: bool) -> None:
    """ATT-10, ATT-17: f of four are missed by nobody. One more, and the author's own node says it in the end."""
    gone = [one for one in dealt().witnesses if one.key != member().key][:silent]
    table = Table(*gone)
    table.attest(member(), supplier(), "supplier")
    table.attest(supplier(), member(), "member")
    table.talk(A_WHILE)
    table.talk(A_WHILE)
    assert bool(table.public(supplier())) is opens
    table.talk(2 * ATTEST_MS)
    assert (member().key, supplier().key, "kept") in table.public(supplier())


def test_what_fewer_than_a_quorum_of_witnesses_can_read() -> None:
    """ATT-10: f of them, and f with the counterpart's help, read nothing; the control: a quorum does."""
    hidden = attestation(member(), supplier(), "supplier")
    record = sealed(member(), supplier(), "supplier", hidden)
    deal = dealt().deal()
    for places in ((0,), (3,), (0, 3), (1, 2)):
        assert not assessment.is_open(deal, record, shares_of(record, places))
        with pytest.raises(Exception, match=r"[12] of 3"):
            assessment.opened(deal, record, shares_of(record, places), hidden.header.network)
    for enough in ((0, 1, 2), (1, 2, 3), (0, 1, 2, 3)):
        assert assessment.opened(deal, record, shares_of(record, enough), hidden.header.network) == hidden


def test_nobody_answers_after_reading() -> None:
    """ATT-14: what is said after the other's was opened because time was up stays shut, at every witness."""
    table = Table()
    table.attest(member(), supplier(), "supplier", "kept")
    table.talk(A_WHILE)
    table.talk(ATTEST_MS + A_WHILE)
    assert table.public(supplier()) == [(member().key, supplier().key, "kept")]
    late = sealed(supplier(), member(), "member", attestation(supplier(), member(), "member", outcome="broken"))
    table.tell(late)
    for _ in range(3):
        table.talk(ATTEST_MS)
    given = [one for one in table.passed.values() if one.kind == "release.1"]
    assert given
    assert not [one for record in given for one, _ in record.body["shares"] if one == late.id]
    assert (supplier().key, member().key, "broken") not in table.public(member())


def test_a_reader_s_answer_finds_too_few_witnesses() -> None:
    """ATT-14: three of four had given their shares when it came; the fourth, asleep until then, cannot open it alone,
    nor with a bad one beside it. The control: before that, three others would have.
    """
    table = Table()
    table.attest(member(), supplier(), "supplier", "kept")
    table.talk(A_WHILE)
    asleep = next(one for one in dealt().witnesses if one.key not in (member().key, negotiator().key))
    desk = table.desks.pop(asleep.key)
    table.talk(ATTEST_MS + A_WHILE)
    assert table.public(supplier())
    late = sealed(supplier(), member(), "member", attestation(supplier(), member(), "member", outcome="broken"))
    table.desks[asleep.key] = desk
    table.tell_one(asleep, late)
    table.tell(late)
    for _ in range(3):
        table.talk(ATTEST_MS)
    deal, bad = dealt().deal(), dealt().witnesses[0].key
    given = [one for one in table.passed.values() if one.kind == "release.1"]
    givers = {record.author for record in given for one, _ in record.body["shares"] if one == late.id}
    assert len(givers | {bad}) < deal.council.quorum


@pytest.mark.parametrize("fresh", [False, True])
def test_who_says_it_openly_is_told_when_it_would_not_count(fresh: bool) -> None:
    """ATT-17, ATT-18: after the other was opened an answer is no longer sealed; bad for bad is refused when this node
    has seen the first for days, but not when that was under seal for as long.
    """
    table = Table()
    table.attest(member(), supplier(), "supplier", "broken")
    table.talk(A_WHILE)
    table.talk(ATTEST_MS + A_WHILE)
    desk = table.desks[supplier().key]
    table.now += FIRST_SIGHT_MS
    if fresh:
        (read,) = desk.said("attestation.1")
        desk.facts[f"seen/{read.id.hex()}"] = encode(table.now - 1)
        desk.start()
        assert table.attest(supplier(), member(), "member", "broken")["sealed"] == 0
        return
    with pytest.raises(CommandError) as caught:
        table.attest(supplier(), member(), "member", "broken")
    assert caught.value.code == "ATT-18"
    assert table.attest(supplier(), member(), "member", "kept")["sealed"] == 0


def test_two_in_one_slot_are_none() -> None:
    """ATT-13: an author who seals two things is as one who was silent; the two are its double signature (ATT-7)."""
    table = Table()
    two = [
        sealed(member(), supplier(), "supplier", attestation(member(), supplier(), "supplier", outcome=outcome))
        for outcome in ("kept", "broken")
    ]
    for record in two:
        table.tell(record)
    table.attest(supplier(), member(), "member")
    table.talk(A_WHILE)
    assert not [one for one in table.passed.values() if one.kind == "release.1"]
    table.talk(ATTEST_MS + A_WHILE)
    table.talk(A_WHILE)
    given = [one for record in table.passed.values() if record.kind == "release.1" for one, _ in record.body["shares"]]
    assert given
    assert not [one for one in given if one in (two[0].id, two[1].id)]
    assert (supplier().key, member().key, "kept") in table.public(member())
    assert [one for one in table.passed.values() if one.kind == "fault.1"]


def test_a_witness_without_a_good_share_does_as_if_it_had_nothing() -> None:
    """ATT-13: whoever deals bad shares to a quorum is silent; they cannot have the other side opened by it."""
    hidden = attestation(member(), supplier(), "supplier")
    good = sealed(member(), supplier(), "supplier", hidden)
    broken = [[bytes(80), hashed] for _, hashed in good.body["shares"]]
    bad = sealed(member(), supplier(), "supplier", hidden, shares=broken)
    table = Table()
    table.tell(bad)
    table.attest(supplier(), member(), "member")
    table.talk(A_WHILE)
    table.talk(A_WHILE)
    assert not [one for one in table.passed.values() if one.kind == "release.1"]


def test_what_opens_to_something_else_is_void_and_shown_so() -> None:
    """ATT-15: promised one thing, sealed another; the other side's is opened all the same."""
    true, false = (attestation(member(), supplier(), "supplier", outcome=outcome) for outcome in ("kept", "broken"))
    lie = sealed(member(), supplier(), "supplier", false, promised=true)
    table = Table()
    table.tell(lie)
    table.talk(A_WHILE)
    table.attest(supplier(), member(), "member")
    table.talk(A_WHILE)
    assert states(table) == {"void": 1, "open": 1}
    (row,) = [one for one in table.seen(member()) if one["state"] == "void"]
    assert row["code"] == "ATT-15"
    assert true.id not in table.passed
    assert false.id not in table.passed


def test_what_somebody_copies_opens_for_nobody() -> None:
    """ATT-10: bound to author, subject, role and request."""
    hidden = attestation(member(), supplier(), "supplier")
    theirs = sealed(member(), supplier(), "supplier", hidden)
    other = next(one for one in dealt().members[:4] if one.key not in (member().key, negotiator().key))
    fields = {name: theirs.body[name] for name in ("cipher", "shares")}
    copied = sealed(other, supplier(), "supplier", attestation(other, supplier(), "supplier"), **fields)
    made = dealt()
    for at, one in enumerate(made.witnesses):
        with pytest.raises(Exception, match="does not match"):
            assessment.own_share(copied, at, one.box_seed(made.hash))


def test_only_the_two_sides_of_a_deal_have_a_place() -> None:
    """ATT-9: by whom, about whom, in which slot, sealed to whom; anything else is ignored by every node."""
    table, deal = Table(), dealt().deal()
    hidden = attestation(member(), supplier(), "supplier")
    good = sealed(member(), supplier(), "supplier", hidden)
    stranger, loser, declined = dealt().suppliers[1], dealt().suppliers[1], dealt().members[4]
    wrong: list[Record] = [
        sealed(stranger, supplier(), "supplier", hidden),
        sealed(member(), loser, "supplier", hidden),
        sealed(declined, supplier(), "supplier", hidden),
        sealed(member(), negotiator(), "supplier", hidden),
        sealed(member(), supplier(), "negotiator", hidden, relation="negotiator"),
        sealed(member(), supplier(), "relay", hidden, relation="relay"),
        sealed(supplier(), supplier(), "member", hidden),
        sealed(member(), supplier(), "supplier", hidden, shares=[list(one) for one in good.body["shares"]][:3]),
        sealed(member(), supplier(), "supplier", hidden, cipher=good.body["cipher"] + b"x"),
        sealed(member(), supplier(), "supplier", hidden, rfq=bytes(32)),
    ]
    for record in wrong:
        assert not assessment.belongs(deal, record)
        assert table.tell_one(negotiator(), record) in ("ATT-9", "GOS-6")
    assert table.tell_one(negotiator(), good) == ""


def test_shares_are_a_witness_s_to_give() -> None:
    """ATT-14, NEG-42: nobody else's release is taken, and a wrong share opens nothing."""
    table = Table()
    record = sealed(member(), supplier(), "supplier", attestation(member(), supplier(), "supplier"))
    table.tell(record)
    deal = dealt().deal()
    shares = shares_of(record)
    assert not assessment.is_open(deal, record, dict.fromkeys(range(4), bytes(32)))
    assert not assessment.is_open(deal, record, {**shares, 0: bytes(32), 1: bytes(32)})
    assert assessment.is_open(deal, record, {**shares, 0: bytes(32)})


def test_a_witness_that_floods_is_read_no_further_than_it_can_be_honest() -> None:
    """ATT-14: what one witness says takes no more time than all the assessments there are, and opens nothing."""
    made, record = dealt(), sealed(member(), supplier(), "supplier", attestation(member(), supplier(), "supplier"))
    bad, log = made.witnesses[0], Log(made.deal_scope)
    log.add(record)
    for number in range(300):
        shares = [[bytes([number % 256, at]) + bytes(30), bytes(32)] for at in range(64)]
        body = {"rfq": made.rfq.id, "shares": shares}
        created = made.now + number
        until = made.rfq.header.expires
        log.add(Record.sign(bad, NETWORK, "release.1", made.deal_scope, body, created=created, expires=until))
    assert len(assessment.given(log, bad.key, made.rfq.id)) == 64
    assert list(assessment.shares_of(made.deal(), log).values()) == [{0: bytes(32)}] * 64


def test_every_role_both_ways() -> None:
    """ATT-1, ATT-2: member and supplier, member and negotiator, member and witness; each pair opens by itself."""
    table = Table()
    others = [one for one in dealt().members[:4] if one.key not in (member().key, negotiator().key)]
    for subject, role in ((supplier(), "supplier"), (negotiator(), "negotiator"), (others[0], "relay")):
        assert table.attest(member(), subject, role)["sealed"] == 1
        table.talk(A_WHILE)  # the witnesses say that they hold it: by that they have served this deal
    table.talk(A_WHILE)
    assert not table.public(member())
    for who in (supplier(), negotiator(), others[0]):
        (need,) = [one for one in table.needs(who) if one["role"] == "member" and one["subject"] == member().key]
        assert "has said something about you" in need["says"]
        table.attest(who, member(), "member")
        table.talk(A_WHILE)
        table.talk(A_WHILE)
    about = [(author, outcome) for author, subject, outcome in table.public(member()) if subject == member().key]
    assert sorted(author for author, _ in about) == sorted(one.key for one in (supplier(), negotiator(), others[0]))
    assert states(table) == {"open": 6}


@pytest.mark.parametrize(
    ("role", "right", "wrong"), [("supplier", "quality", "taste"), ("negotiator", "time", "quality")]
)
def test_marks_fit_the_role(role: str, right: str, wrong: str) -> None:
    """ATT-1: nobody marks the quality of a negotiator; refused before anything is signed."""
    table, subject = Table(), supplier() if role == "supplier" else negotiator()
    with pytest.raises(CommandError) as caught:
        table.attest(member(), subject, role, dimensions={right: 5, wrong: 1})
    assert caught.value.code == "ATT-1"
    assert not table.desks[member().key].said("assessment.1")
    assert table.attest(member(), subject, role, dimensions={right: 5})["sealed"] == 1


def test_needs_say_who_has_spoken_and_until_when() -> None:
    """ATT-19: who has spoken is known, and by when it opens; what they said is not."""
    table = Table()
    (before,) = [one for one in table.needs(supplier()) if one["subject"] == member().key]
    assert "has said something" not in before["says"]
    table.attest(member(), supplier(), "supplier", "broken")
    table.talk(A_WHILE)
    (need,) = [one for one in table.needs(supplier()) if one["subject"] == member().key]
    assert "has said something about you" in need["says"]
    assert table.now < need["until"] <= table.now + ATTEST_MS
    (row,) = table.seen(supplier())
    assert "outcome" not in row
    (own,) = table.seen(member())
    assert own["outcome"] == "broken"
    assert not [one for one in table.needs(member()) if one["role"] == "supplier"]


def test_a_restart_forgets_nothing() -> None:
    """ATT-13: when a witness first held something is in its log; what an author sealed is on its disk."""
    table = Table()
    table.attest(member(), supplier(), "supplier")
    table.talk(A_WHILE)
    for desk in table.desks.values():
        desk.start()
    assert table.seen(member())[0]["outcome"] == "kept"
    table.talk(ATTEST_MS - A_WHILE)
    table.talk(2 * A_WHILE)
    assert table.public(supplier()) == [(member().key, supplier().key, "kept")]


def test_a_pair_is_two() -> None:
    """ATT-1, ATT-9: nobody about oneself, nor as what they are not."""
    deal = dealt().deal()
    assert assessment.stands(deal, pair())
    assert not assessment.stands(deal, pair(who=negotiator(), other=negotiator(), relation="negotiator"))
    assert not assessment.stands(deal, pair(other=negotiator()))
    assert not assessment.stands(deal, pair(who=dealt().members[4]))
