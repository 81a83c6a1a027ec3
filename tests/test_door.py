"""protocol.engine.network.door: a carrier lets in what those who take part would (GOS-40, DEC-6)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.coop.decision import NIL, Docket
from protocol.engine.network.door import Door
from protocol.record.record import Record
from tests.test_decision import PEOPLE, A, B, council, proposal, vote

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
