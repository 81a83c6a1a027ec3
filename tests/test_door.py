"""protocol.engine.network.door: a carrier lets in what those who take part would (GOS-40, DEC-6)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.coop.decision import NIL, Docket
from protocol.coop.term import backed_end
from protocol.engine.network.door import Door
from protocol.identity import Persona
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.test_decision import NETWORK, PEOPLE, SCOPE, START, A, B, council, proposal, vote

_STEPS = st.sampled_from(["prevote", "precommit", ""])
_SAID = st.tuples(st.integers(0, 6), st.integers(0, 1), _STEPS, st.sampled_from([A, B]))
Said = tuple[int, int, str, bytes]


def said(who: int, number: int, step: str, value: bytes) -> Record:
    """A vote, or a proposal where there is no step."""
    return vote(PEOPLE[who], number, step, value) if step else proposal(PEOPLE[who], number, value)


@given(st.lists(_SAID, max_size=16), _SAID)
def test_a_carrier_and_who_takes_part_need_the_same(before: list[Said], one: Said) -> None:
    """DEC-6: by the votes that they hold; of a proposal a carrier knows only whether it was there in that round."""
    docket, door = Docket(), Door(witnesses=council(7).witnesses)
    for record in (said(*each) for each in before):
        docket.note(record)
        door.note(record)
    record, elsewhere = said(*one), {(step, value) for _, number, step, value in before if number != one[1]}
    if one[2] or ("", one[3]) not in elsewhere:
        assert door.needs(record) is docket.backed(record, 2)


def test_what_a_carrier_does_not_need() -> None:
    """DEC-2, DEC-6: from strangers, in another slot, for nil unless others say so too, and other kinds never."""
    door = Door(witnesses=council(4).witnesses)
    for who in (1, 2):
        door.note(vote(PEOPLE[who], 0, "prevote", A))
    assert door.needs(vote(PEOPLE[0], 0, "prevote", A))
    assert not door.needs(vote(PEOPLE[5], 0, "prevote", A))
    assert not door.needs(vote(PEOPLE[0], 0, "prevote", A, slot="roster/1/prevote"))
    assert not door.needs(vote(PEOPLE[0], 0, "prevote", NIL))
    assert not door.needs(vote(PEOPLE[0], 0, "precommit", A))


def end(who: Persona, term: int, created: int) -> Record:
    """A witness's word that a term is over."""
    body = {"roster": bytes(32), "term": term, "cause": "dark"}
    slot = Slot("once", f"end/{bytes(8).hex()}/{term}", 0)
    return Record.sign(who, NETWORK, "end.1", SCOPE, body, created=created, expires=created + 10**9, slot=slot)


def test_the_end_of_a_term_that_others_say_too() -> None:
    """DEC-6: a carrier and who takes part find it so; not for f others, nor a second time, nor of another term."""
    log, door, witnesses = Log(SCOPE), Door(witnesses=council(4).witnesses), council(4).witnesses

    def take(record: Record) -> None:
        log.add(record)
        door.note(record)

    def needed(record: Record) -> bool:
        found = backed_end(log, witnesses, record)
        assert door.needs(record) is found
        return found

    take(end(PEOPLE[1], 1, START))
    assert not needed(end(PEOPLE[0], 1, START))
    take(end(PEOPLE[2], 1, START))
    assert needed(end(PEOPLE[0], 1, START))
    assert not needed(end(PEOPLE[0], 2, START))
    take(end(PEOPLE[0], 1, START))
    assert not needed(end(PEOPLE[0], 1, START + 1))
