"""The witnesses open the ballots whatever one of four does and whatever the net does; and what each rule is there for.

Every failure names the seed. (07-election, ELE-62 and ELE-63; 06-decision, DEC-20.)
"""

from __future__ import annotations

import pytest

from protocol.coop.box import Question, owed_receipts
from protocol.coop.decision import Council, Docket
from protocol.record.log import Log
from tests.sim.count import Count, Rules

SEARCH = 60  # seeds among which a control must find what the rule prevents


def in_time_alone(
    log: Log, docket: Docket, question: Question, council: Council, witness: bytes, now: int
) -> list[bytes]:
    """Receipts as for any other box: none after it closed."""
    return [] if now > question.closes else owed_receipts(log, docket, question, council, witness, now)


def some_end(how: str, rules: Rules) -> bool:
    """Whether some run ends so."""
    return any(Count(seed, rules).run() == how for seed in range(SEARCH))


def test_every_ballot_opens() -> None:
    """ELE-63, DEC-20: silent, empty, noisy and twofold releases, lists of too little, a net that is deaf for three
    times the window; the tally is always the same."""
    found = {seed: how for seed in range(60) if (how := Count(seed).run()) != "fine"}
    assert found == {}


@pytest.mark.long
def test_a_thousand_counts() -> None:
    """The same at length."""
    assert {seed: how for seed in range(1_000) if (how := Count(seed).run()) != "fine"} == {}


def test_without_a_least_number_an_election_is_undone() -> None:
    """DEC-20: with lists of any length a deaf net and one liar close the box over nothing."""
    assert some_end("undone", Rules(least=False))


def test_with_receipts_in_time_alone_an_election_stalls() -> None:
    """DEC-20: where the net is deaf longer than the window, there are never enough."""
    assert some_end("stall", Rules(owed=in_time_alone))
