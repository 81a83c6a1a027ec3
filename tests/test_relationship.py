"""A relationship in numbers and words, and a co-op's numbers that tell of nobody (19-remedy, RMD-25 to RMD-30)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product

from hypothesis import given
from hypothesis import strategies as st

from protocol.deal.life import Deal
from protocol.params import AGGREGATE_LEAST, DAY_MS
from protocol.trust import health
from protocol.trust.relationship import Heard, Relationship, Word, heard, relationship, told
from tests.remedies import EVE, VOICE_MS, Dispute
from tests.test_remedy import lived

HOUR_MS = 3_600_000


def of(it: Dispute, words: tuple[Word, ...] = (), later_ms: int = 0) -> Relationship:
    now = it.now + later_ms
    return relationship(it.member.key, it.supplier.key, [it.deal], it.read(), words, now)


def test_strangers_have_none() -> None:
    """RMD-26"""
    it = Dispute()
    found = relationship(it.member.key, EVE.key, [it.deal], it.read(), (), it.now)
    assert found.deals == 0
    assert told(found, it.now) == ("You have signed no deal with each other that this node holds.",)


def test_what_was_mended_and_what_was_not_differ() -> None:
    """RMD-26: the same fault, mended by one and not by the other."""
    well, ill = lived(()), lived(("supplier",), "repairing")
    word = (Word(well.member.key, "broken", True),)
    good = of(well, word)
    assert (good.repaired, good.ended, good.remedied, good.broken) == (1, 1, 1, 0)
    assert good.owed_to_me == ()
    assert good.repair_ms > 0
    silent = lived(("member", "supplier"), "repairing")
    bad = of(silent, (Word(silent.member.key, "broken", False),))
    assert (bad.repaired, bad.ended, bad.remedied, bad.broken) == (0, 1, 0, 1)
    assert len(bad.owed_to_me) == 1
    says = told(bad, silent.now)
    assert "0 of 1 that came to an end were put right." in says
    assert "They owe you 1 remedy, 1 of them overdue." in says
    assert of(ill).owed_by_me == ()


def test_both_sides_see_the_same_from_their_own_end() -> None:
    """RMD-26"""
    it = Dispute()
    it.words(it.supplier, it.raised())
    other = relationship(it.supplier.key, it.member.key, [it.deal], it.read(), (), it.now)
    mine = of(it)
    assert (mine.mine, mine.theirs) == (other.theirs, other.mine)
    assert (mine.repaired, mine.ended) == (other.repaired, other.ended)


def test_voices_by_how_they_were_dealt_with() -> None:
    """RMD-25: waiting, in time, late, unanswered, in doubt: each voice is one of these or was withdrawn."""
    it = Dispute()
    first = it.raised(number=0)
    assert heard(it.read(), it.now) == Heard(1, 0, 0, 0, 1, 0)
    it.words(it.supplier, first)
    second = it.raised(number=1)
    third = it.raised(number=2)
    it.words(it.supplier, third)
    it.step(it.member, third, "empty")
    it.now += VOICE_MS
    assert heard(it.read(), it.now) == Heard(3, 1, 0, 1, 0, 1)
    it.words(it.supplier, second)
    fourth = it.raised(number=3)
    it.step(it.member, fourth, "withdrawn")
    assert heard(it.read(), it.now) == Heard(4, 1, 1, 0, 0, 1)


def test_the_median_and_the_rate() -> None:
    """RMD-26: the lower of two in the middle; withdrawn ones are no ends."""
    it = Dispute()
    for number, hours in enumerate((0, 5, 3)):
        voice = it.raised(number=number)
        it.step(it.member, voice, "settled", at=it.now + hours * HOUR_MS)
    found = of(it, later_ms=6 * HOUR_MS)
    assert (found.repaired, found.ended, found.repair_ms // HOUR_MS) == (3, 3, 3)
    says = told(found, it.now + 6 * HOUR_MS)
    assert "3 of 3 that came to an end were put right, half of them within 3 hours." in says
    assert (found.mine.raised, found.mine.unanswered) == (3, 2)  # the first was settled before its time was over
    withdrawn = it.raised(number=3)
    it.step(it.member, withdrawn, "withdrawn")
    assert of(it, later_ms=6 * HOUR_MS).ended == 3


def test_tenure_counts_days() -> None:
    """RMD-26"""
    it = Dispute()
    assert told(of(it), it.now + 40 * DAY_MS)[0] == "1 deal together, the first 40 days ago."


# Co-ops


def rounded(counts: tuple[int, ...], members: int) -> tuple[int, ...]:
    return tuple(health.told(count, members) for count in counts)


def every(members: int) -> Iterator[tuple[int, ...]]:
    yield from product((0, 1), repeat=members)


def test_no_answer_tells_of_one_person() -> None:
    """RMD-30: whatever is told, it could be told with anybody having done it, and not having done it."""
    for members in range(2, 13):
        answers: dict[int, list[tuple[int, ...]]] = {}
        for facts in every(members):
            answers.setdefault(health.told(sum(facts), members), []).append(facts)
        for alike in answers.values():
            for person in range(members):
                assert {one[person] for one in alike} == {0, 1}


def test_no_difference_of_two_answers_tells_of_one_person() -> None:
    """RMD-30: of two facts about the same members, by answers to both and by what they differ."""
    members = 11
    answers: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for first, second in product(range(members + 1), repeat=2):
        told_both = health.told(first, members), health.told(second, members)
        answers.setdefault(told_both, []).append((first, second))
    for counts in answers.values():
        for which in (0, 1):
            known = [one[which] for one in counts]
            assert min(known) < members
            assert max(known) > 0
            assert max(known) - min(known) >= AGGREGATE_LEAST - 1
        apart = [one - other for one, other in counts]
        assert max(apart) - min(apart) >= AGGREGATE_LEAST


def test_exact_numbers_would_tell() -> None:
    """RMD-30, control: the property above is not one of all roundings."""
    answers: dict[int, list[tuple[int, ...]]] = {}
    for facts in every(5):
        answers.setdefault(sum(facts), []).append(facts)
    assert any({one[0] for one in alike} != {0, 1} for alike in answers.values())


@given(st.integers(0, 500), st.integers(0, 500))
def test_what_is_told_is_a_floor(count: int, members: int) -> None:
    """RMD-30"""
    found = health.told(min(count, members), members)
    assert 0 <= found <= min(count, members)
    assert found % AGGREGATE_LEAST == 0
    assert members - found >= AGGREGATE_LEAST or found == 0


def test_of_few_nothing_is_told() -> None:
    """RMD-30: the three of the handmade deal; control: twelve of whom most got all."""
    it = lived(())
    assert health.health(it.deal, it.read(), it.now) == {}
    (agreed,) = it.deal.agreements
    line = replace(agreed.accounts[0], received=agreed.accounts[0].owed)
    keys = [bytes([number]) * 32 for number in range(12)]
    many = replace(
        agreed,
        allocation=replace(agreed.allocation, shares=tuple((key, 3) for key in keys)),
        accounts=tuple(replace(line, member=key) for key in keys[:8]),
    )
    deal: Deal = replace(it.deal, agreements=(many,))
    assert dict(health.health(deal, (), it.now)) == {
        "members": 12,
        "got all": 5,
        "raised a voice": 0,
        "were not answered": 0,
        "were put right": 0,
    }


def test_pairs_of_members_say_nothing_to_each_other() -> None:
    """RMD-26: two members of one deal signed with the supplier, not with each other, unless one negotiated."""
    it = Dispute()
    others = [one for one in it.of.members if one.key != it.deal.rfq.author]
    for one, other in combinations(others, 2):
        assert relationship(one.key, other.key, [it.deal], (), (), it.now).deals == 0
