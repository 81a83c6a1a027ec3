"""A negotiator's term: leases, recalls, its end, the next in line, and what a stale negotiator can still do
(07-election, ELE-40 to ELE-48)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.coop.coop import question_name
from protocol.coop.mandate import Mandate, is_certified
from protocol.coop.term import (
    Term,
    end_due,
    ended,
    lease_due,
    leased_until,
    own_until,
    recalled,
    recalls,
)
from protocol.deal.term import Terms, in_force, is_act, latest, read_successor, successor_slot, terms_of
from protocol.encoding import decode, encode
from protocol.errors import Reject
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, START_MS, Handmade, persona
from tests.stages import until
from tests.successions import SUCCESSION, about, end, recall, succeed
from tests.test_coop import read, states

DAY = 86_400_000
WITNESSES = 4


@cache
def made() -> Handmade:
    """Five members, four of them witnesses, two candidates, a deal that has come to its end."""
    return fresh()


def fresh() -> Handmade:
    return Handmade(members=5, witnesses=WITNESSES)


def a_term(lease_ms: int = DAY) -> Term:
    """The first term of a roster, begun at START_MS, with leases of a day."""
    coop = made().coop()
    assert coop.running is not None
    return replace(coop.running, began=START_MS, lease_ms=lease_ms)


class Room:
    """A log in which the negotiator and four witnesses speak of one term at whatever time a test says."""

    def __init__(self, lease_ms: int = DAY) -> None:
        self.term, self.council = a_term(lease_ms), made().coop().council
        self.keys = made().coop().keys
        self.log = Log(made().scope)
        self.who = {one.key: one for one in made().members}
        self._said = 0

    def say(self, key: bytes, kind: str, at: int, **more: Any) -> Record:
        base, mode = kind.partition(".")[0], "latest" if kind in ("heartbeat.1", "lease.1") else "once"
        self._said += 1
        seq = self._said if mode == "latest" else 0
        body, slot = about(self.term, **more), Slot(mode, self.term.slot(base), seq)
        one = Record.sign(
            self.who[key], NETWORK, kind, made().scope, body, created=at, expires=at + 10 * DAY, slot=slot
        )
        self.log.add(one)
        return one

    def lease(self, key: bytes, now: int) -> int | None:
        """The witness signs what it owes now; the `until`."""
        until = lease_due(self.log, self.council, key, self.term, now)
        if until is not None:
            self.say(key, "lease.1", now, until=until)
        return until

    def due(self, key: bytes, now: int) -> str | None:
        return end_due(self.log, self.council, self.keys, key, self.term, now)


# Leases


def test_every_term_begins_with_one_lease() -> None:
    """ELE-41: and nobody says that it is dark before that, and a 72nd part of it, has passed on his own clock."""
    room = Room()
    witness = room.council.witnesses[0]
    last = START_MS + DAY + DAY // 72
    assert own_until(room.log, witness, room.term) == START_MS + DAY
    assert room.due(witness, last - 1) is None
    assert room.due(witness, last) == "dark"
    assert DAY // 72 == 20 * 60_000


def test_a_heartbeat_is_what_a_witness_leases_for() -> None:
    """ELE-41: no sign of life, an old one, or one that hardly adds anything: no lease."""
    room = Room()
    one = room.council.witnesses[0]
    assert room.lease(one, START_MS + DAY // 2) is None
    room.say(room.term.negotiator, "heartbeat.1", START_MS + 1_000)
    assert room.lease(one, START_MS + 1_000) is None  # the term's own lease says as much
    assert room.lease(one, START_MS + 2 * DAY) is None  # too old
    room.say(room.term.negotiator, "heartbeat.1", START_MS + DAY // 3)
    assert room.lease(one, START_MS + DAY // 3 + 5) == START_MS + DAY + DAY // 3
    assert room.lease(one, START_MS + DAY // 3 + 6) is None
    assert room.due(one, START_MS + DAY + DAY // 72) is None
    assert room.due(one, START_MS + DAY + DAY // 3 + DAY // 72) == "dark"


def test_a_heartbeat_from_the_future_leases_no_longer_than_one_lease() -> None:
    """ELE-41"""
    room = Room()
    room.say(room.term.negotiator, "heartbeat.1", START_MS + 5 * DAY)
    assert room.lease(room.council.witnesses[0], START_MS + DAY // 2) == START_MS + DAY + DAY // 2
    assert room.lease(room.council.witnesses[0], START_MS + DAY // 2 + 1) is None
    assert room.lease(room.council.witnesses[1], START_MS - DAY) is None  # a slow clock: it would shorten its own word


def test_others_hearts_do_not_count() -> None:
    """ELE-41: a member's heartbeat is inert, and so is the negotiator's for another term."""
    room = Room()
    other = next(key for key in room.keys if key != room.term.negotiator)
    room.say(other, "heartbeat.1", START_MS + DAY // 2)
    assert room.lease(room.council.witnesses[0], START_MS + DAY // 2) is None
    term, room.term = room.term, replace(room.term, number=2)
    room.say(room.term.negotiator, "heartbeat.1", START_MS + DAY // 2)
    room.term = term
    assert room.lease(room.council.witnesses[0], START_MS + DAY // 2) is None


def test_a_lease_stands_by_a_quorum() -> None:
    """ELE-41: of four witnesses the third longest; two say nothing, and one far in the future adds nothing."""
    room = Room()
    for number, key in enumerate(room.council.witnesses):
        assert (leased_until(room.log, room.council, room.term) > 0) is (number >= 3)
        room.say(key, "lease.1", START_MS, until=START_MS + 2 * DAY if number < 3 else 2**52)
    assert leased_until(room.log, room.council, room.term) == START_MS + 2 * DAY


def test_who_said_the_end_leases_no_more_and_who_hears_more_than_f_say_it_neither() -> None:
    """ELE-43: so that leases and end meet in a witness that would have had to sign both; and no stalemate is left."""
    room = Room()
    first, second, third, _ = room.council.witnesses
    now = START_MS + DAY // 2
    room.say(room.term.negotiator, "heartbeat.1", now)
    room.say(first, "end.1", now, cause="dark")
    assert room.lease(first, now) is None
    assert room.lease(third, now) == now + DAY
    room.say(second, "end.1", now, cause="dark")
    room.say(room.term.negotiator, "heartbeat.1", now + DAY // 3)
    assert room.lease(third, now + DAY // 3) is None
    assert room.due(third, now + DAY + DAY // 72) == "dark"


def test_without_leases_nobody_is_dark() -> None:
    """ELE-40: a charter without `lease_ms` knows recalls only."""
    room = Room(0)
    assert room.due(room.council.witnesses[0], 2**52) is None
    for key in room.keys[:3]:
        room.say(key, "recall.1", START_MS, reason="other", remark="")
    assert room.due(room.council.witnesses[0], START_MS) == "recalled"


@given(st.lists(st.integers(-6, 6), min_size=4, max_size=4), st.integers(1, 60))
def test_clocks_that_differ_by_hours_end_no_leased_term(skews: list[int], beats: int) -> None:
    """ELE-43: while every heartbeat comes in time for the fastest clock, no honest witness says the end; and an end
    never stands within a lease, for a witness that signed both waited by its own clock.
    """
    room, hour = Room(), DAY // 24
    clocks = dict(zip(room.council.witnesses, skews, strict=True))
    for beat in range(beats):
        now = START_MS + beat * room.term.beat_ms
        room.say(room.term.negotiator, "heartbeat.1", now)
        for key, skew in clocks.items():
            assert room.due(key, now + skew * hour) is None
            room.lease(key, now + skew * hour)
    last = START_MS + beats * room.term.beat_ms
    for later in range(40):
        for key, skew in clocks.items():
            now = last + (later + skew) * hour
            cause = room.due(key, now)
            if cause:
                assert now >= own_until(room.log, key, room.term) + room.term.grace_ms
                room.say(key, "end.1", now, cause=cause)
    assert ended(room.log, room.council, room.term)


# Recalls


def test_more_than_half_recall() -> None:
    """ELE-42: three of five; a stranger's and one about another term are nothing, two of one member are one."""
    room = Room()
    members = list(room.keys)
    for key in members[:2]:
        room.say(key, "recall.1", START_MS, reason="terms", remark="")
    room.say(members[0], "recall.1", START_MS + 1, reason="other", remark="again")
    assert len(recalls(room.log, room.keys, room.term)) == 2
    assert not recalled(room.log, room.keys, room.term)
    assert not recalled(room.log, room.keys, replace(room.term, number=2))
    room.say(members[2], "recall.1", START_MS, reason="terms", remark="")
    assert recalled(room.log, room.keys, room.term)
    assert not recalled(room.log, (*room.keys, bytes(32)), room.term)  # three of six


# The end, and who comes next


def test_a_term_ends_by_a_quorum_and_the_next_in_line_has_the_same_deal() -> None:
    """ELE-44, ELE-45: two of four are not enough; three are, and the mandate of term 2 is for the deal of term 1."""
    found = fresh()
    first = found.coop()
    end(found, 2)
    assert found.coop().state == "dealing"
    end(found, 3)
    between = found.coop()
    assert (between.state, between.negotiator) == ("succeeding", b"")
    assert [one.name for one in between.open] == ["mandate/2"]
    second = succeed(found)
    assert first.mandate is not None
    assert second.mandate is not None
    assert (second.state, second.term, second.negotiator) == ("dealing", 2, second.line[1])
    assert second.mandate.deal == first.mandate.deal
    assert second.mandate.expires == first.mandate.expires + second.times["deal_ms"]
    assert found.deal().award is not None


def test_the_life_of_a_coop_whose_negotiators_are_all_recalled() -> None:
    """ELE-45, FRM-32: there are two in line; after them nobody leads, and the deal goes on by its own boxes."""
    found = fresh()
    succeed(found)
    assert found.coop().state == "dealing"
    assert succeed(found).state == "unled"
    assert states(found)[-4:] == [*SUCCESSION[:3], "unled"]  # the last two steps are one look
    assert found.coop().open == ()
    assert found.coop().negotiator == b""


def test_an_end_before_the_request_leads_to_nothing() -> None:
    """ELE-40: until the request the box of the deal decides (ELE-32)."""
    found = fresh()
    before = [one for one in until(found, "mandated") if one.scope == found.scope]
    assert read(*before).state == "mandated"
    for member in found.members:
        recall(found, member)
    count = len(found.records)
    end(found, 4)
    assert found.coop().state == "succeeding"
    assert read(*before, *found.records[count:]).state == "mandated"


def test_ends_of_another_term_or_roster_are_inert() -> None:
    """ELE-44"""
    found = fresh()
    term = found.coop().running
    assert term is not None
    end(found, 4, term=replace(term, number=2))
    end(found, 4, term=replace(term, roster=bytes(32)))
    for witness in found.witnesses:  # in the slot of the present term, about another
        found.say(witness, "end.1", found.scope, about(replace(term, number=2), cause="dark"), term.slot("end"))
    assert found.coop().state == "dealing"


def test_two_ends_of_one_witness_are_one_word() -> None:
    """ELE-44: there is nothing else that it could have said; with one more witness than that the term is over."""
    found = fresh()
    end(found, 2, "dark")
    end(found, 2, "recalled")
    assert found.coop().state == "dealing"
    end(found, 3, "dark")
    assert found.coop().state == "succeeding"


# Acts in a deal


class Shown:
    """A deal whose first negotiator was recalled, and what its scope holds of that."""

    def __init__(self) -> None:
        self.made = fresh()
        self.coop = succeed(self.made)
        self.first = self.made.deal().mandate
        log = self.made.logs[self.made.scope][0]
        self.decided = self.coop.decided[question_name("mandate", 2)]
        self.votes = [log.records[one].raw for one in self.decided.votes]
        self.body = {"rfq": self.made.rfq.id, "mandate": self.decided.value, "certificate": self.votes}

    def record(self, slot: str = successor_slot(2), **more: Any) -> Record:
        who, scope = persona("anybody"), self.made.deal_scope
        return Record.sign(
            who,
            NETWORK,
            "mandate.1",
            scope,
            self.body | more,
            created=START_MS,
            expires=START_MS + DAY,
            slot=Slot("once", slot, 0),
        )

    def terms(self, *records: Record) -> Terms:
        log = Log(self.made.deal_scope)
        for one in records:
            log.add(one)
        return terms_of(log, self.made.rfq, self.first, NETWORK)


@cache
def shown() -> Shown:
    return Shown()


def test_a_later_mandate_is_shown_to_the_deal_by_anybody() -> None:
    """ELE-46: its certificate says all."""
    terms = shown().terms(shown().record())
    assert [one.term for one in terms] == [1, 2]
    assert terms[1].negotiator == shown().coop.line[1]
    assert shown().terms() == (shown().first,)


def _lies() -> list[tuple[str, dict[str, Any]]]:
    found = shown()
    body = decode(found.decided.value)

    def other(**changes: Any) -> dict[str, Any]:
        return {"mandate": encode(body | changes)}

    certificate = found.made.coop().decided[question_name("mandate", 1)]
    log = found.made.logs[found.made.scope][0]
    return [
        ("another request", {"rfq": bytes(32)}),
        ("a vote short", {"certificate": found.votes[:-1]}),
        ("one vote three times", {"certificate": found.votes[:1] * 3}),
        ("the votes of term 1", {"certificate": [log.records[one].raw for one in certificate.votes]}),
        ("junk for a vote", {"certificate": [*found.votes[:-1], b"junk"]}),
        ("another negotiator", other(negotiator=persona("m3").key)),
        ("another deal", other(deal=bytes(16))),
        ("other witnesses", other(witnesses=bytes(32))),
        ("the same term", other(term=1)),
        ("a later end", other(expires=2**52)),
        ("in another slot", {"slot": successor_slot(3)}),
        ("no mandate", {"mandate": b"junk"}),
    ]


@pytest.mark.parametrize(("name", "change"), [(name, number) for number, (name, _) in enumerate(_lies())])
def test_what_is_no_mandate_of_this_deal(name: str, change: int) -> None:
    """ELE-46"""
    record = shown().record(**_lies()[change][1])
    with pytest.raises(Reject) as caught:
        read_successor(record, shown().made.rfq, shown().first, NETWORK)
    assert caught.value.code in ("ELE-46", "ELE-30")
    assert shown().terms(record) == (shown().first,)


def test_a_mandate_is_certified_by_its_own_witnesses() -> None:
    """ELE-46: by a quorum of them, whoever else has signed."""
    mandate = Mandate.parse(shown().decided.value)
    witnesses, votes = shown().coop.council.witnesses, shown().votes
    assert is_certified(mandate, witnesses, votes, NETWORK)
    assert not is_certified(mandate, witnesses[:-1], votes, NETWORK)
    assert not is_certified(mandate, witnesses, votes[1:], NETWORK)
    assert not is_certified(mandate, witnesses, votes, bytes(32))


def test_acts_of_a_stale_term_lead_to_nothing() -> None:
    """ELE-47, ELE-48: the old negotiator under the old term and under the new one, a stranger under either."""
    first, second = shown().terms(shown().record())
    acts = {(who, term): _act(who, term) for who in (first.negotiator, second.negotiator) for term in (1, 2)}
    old, new = acts[(first.negotiator, 1)], acts[(second.negotiator, 2)]
    for terms, good in (((first,), [old]), ((first, second), [new])):
        assert [one for one in acts.values() if in_force(terms, one)] == good
    assert [one for one in acts.values() if is_act((first, second), one)] == [old, new]
    assert latest([old, new]) == [new]
    assert latest([]) == []


def _act(author: bytes, term: int) -> Record:
    """Some record of a negotiator that names its term; only author and term are looked at."""
    who = next(one for one in shown().made.members if one.key == author)
    body, scope = {"roster": bytes(32), "term": term}, shown().made.scope
    slot = Slot("latest", "act", 0)
    return Record.sign(
        who, NETWORK, "heartbeat.1", scope, body, created=START_MS, expires=START_MS + DAY, slot=slot
    )
