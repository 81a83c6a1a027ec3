"""What to expect of somebody: who is heeded, what strangers and sybils can do to it, and the reasons in words."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.params import EXPECTATION_DOUBT, OUTLOOK, REPORT_HALF, RESTART
from protocol.trust.forecast import Reports, expectations
from protocol.trust.reputation import Evidence, Graph, Tally, expectation, graph, heeded, standing
from protocol.trust.walks import hits, net
from protocol.trust.words import explain
from tests.test_reputation import ANN, BEN, CAT, DAN, EVE, NOW, known, random_net, said


def friends() -> list[Evidence]:
    return [said(30 * n, by=ANN, of=BEN, deal=f"b{n}") for n in range(6)]


def test_it_weighs_who_reports() -> None:
    """REP-9: trusted reports count, those of strangers and of the subject's own friends do not, to the last digit."""
    base = friends()
    kept = [said(30 * n, by=BEN, of=CAT, deal=f"c{n}") for n in range(6)]
    good = expectation(known(*base, *kept), ANN, CAT, "supplier")
    assert [reporter for reporter, _ in good.reporters] == [BEN]
    strangers = [said(1, "broken", by=bytes([1, number]), of=CAT) for number in range(100)]
    assert expectation(known(*base, *kept, *strangers), ANN, CAT, "supplier") == good
    own = [said(1, by=CAT, of=EVE), *(said(30 * n, by=EVE, of=CAT, deal=f"e{n}") for n in range(9))]
    assert expectation(known(*base, *kept, *own), ANN, CAT, "supplier") == good
    heeded = expectation(known(*base, *kept, said(1, "broken", by=BEN, of=CAT, deal="x")), ANN, CAT, "supplier")
    assert heeded.value < good.value  # the control: the same word of somebody trusted


def test_what_is_mended_is_expected_less_badly() -> None:
    """REP-4, REP-9."""
    kept = [*friends(), *(said(30 * n, by=BEN, of=CAT, deal=f"c{n}") for n in range(6))]
    values = [
        expectation(known(*kept, *more), ANN, CAT, "supplier").value
        for more in ([said(5, "broken", by=BEN, of=CAT)], [said(5, "broken", by=BEN, of=CAT, remedied=True)], [])
    ]
    assert -1 < values[0] < values[1] < values[2] <= 1


def test_by_hand() -> None:
    """REP-9, REP-14: one own deal kept with Ben, who says that Cat broke her word."""
    found = expectation(known(said(0, by=ANN, of=BEN), said(0, "broken", by=BEN, of=CAT)), ANN, CAT, "supplier")
    others = (1 * 1 + 0.7 * -1) / 1.7
    assert found.outlook == pytest.approx((1 + 3 * others) / 4)
    word = 0.7 / 0.703 + 0.7
    assert found.value == pytest.approx((found.outlook - word) / (word + 1))
    assert dict(found.reporters) == pytest.approx({BEN: word})


def test_who_trusts_nobody_expects_the_usual() -> None:
    """REP-14."""
    alone = expectation(known(said(0, by=DAN, of=BEN)), ANN, BEN, "supplier")
    assert alone.value == pytest.approx(OUTLOOK)
    assert alone.reporters == ()


def test_an_honest_veteran_is_never_expected_worse_than_a_newcomer() -> None:
    """REP-14: whatever the observer has met with elsewhere."""
    sour = [said(1, "broken", by=ANN, of=bytes([9, n])) for n in range(8)]
    trust = known(*friends(), *sour, *(said(30 * n, by=BEN, of=CAT, deal=f"c{n}") for n in range(3)))
    assert expectation(trust, ANN, CAT, "supplier").value >= expectation(trust, ANN, DAN, "supplier").value
    assert standing(trust, ANN, CAT, "supplier").value > standing(trust, ANN, DAN, "supplier").value == 0


def test_a_vouch_stands_in_every_role_and_reports_nothing() -> None:
    """REP-6, REP-7, REP-9."""
    vouch = said(0, "vouch", by=BEN, of=CAT, role="")
    trust = known(*friends(), vouch)
    assert all(standing(trust, ANN, CAT, role).value > 0 for role in ("supplier", "negotiator"))
    assert expectation(trust, ANN, CAT, "supplier").reporters == ()
    cost = [said(0, "sponsored", by=ANN, of=BEN, role="", deal=f"s{n}") for n in range(5)]
    assert standing(known(*friends(), *cost), ANN, BEN, "supplier").value < standing(trust, ANN, BEN, "supplier").value


def test_a_successor_has_what_was_said_of_the_one_before() -> None:
    """REP-13."""
    before = known(*friends())
    after = graph(friends(), NOW, {BEN: CAT, CAT: DAN})
    assert standing(after, ANN, DAN, "supplier").value == standing(before, ANN, BEN, "supplier").value
    assert [standing(after, ANN, one, "supplier").value for one in (BEN, CAT)] == [0, 0]
    circle = graph(friends(), NOW, {BEN: CAT, CAT: BEN})
    assert standing(circle, ANN, BEN, "supplier").value == standing(before, ANN, BEN, "supplier").value
    line = {bytes([7, n]): bytes([7, n + 1]) for n in range(40)} | {BEN: bytes([7, 0])}
    assert standing(graph(friends(), NOW, line), ANN, BEN, "supplier").value > 0  # a line too long leads nowhere


def columns(trust: Graph, size: int) -> tuple[np.ndarray, ...]:
    rows = [(one[0], two[0], w) for one, row in sorted(trust.edges.items()) for two, w in sorted(row.items())]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    assert table[:, :2].max(initial=0) < size
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]


@given(st.integers(0, 10**6), st.integers(2, 25), st.integers(0, 4))
def test_arrays_and_plain_agree(seed: int, size: int, degree: int) -> None:
    """REP-7 to REP-9, REP-14: two computations of the same, bottlenecks included."""
    rng = Random(seed)
    edges = random_net(seed, size, min(degree, size - 1))
    told: dict[tuple[str, bytes], dict[bytes, Tally]] = {}
    for one in range(size):
        for two in rng.sample(range(size), min(3, size)):
            if one != two:
                told.setdefault(("", bytes([two])), {})[bytes([one])] = Tally(rng.random(), rng.choice([0, 1, 2]))
    trust = Graph(edges, {}, told)
    source, target, weight = columns(trust, size)
    pairs = [(rng.randrange(size), rng.randrange(size)) for _ in range(12)]
    observers, subjects = np.array(pairs, dtype=np.int64).T
    found, narrow = hits(net(size, source, target, weight), observers, subjects)
    rows = [(one[0], two[0], said.opinion) for (_, two), by in told.items() for one, said in by.items()]
    who, whom, opinion = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    reports = Reports(who.astype(np.int64), whom.astype(np.int64), opinion)
    likely = expectations(net(size, source, target, weight, whole=True), reports, observers, subjects)
    for at, (s, v) in enumerate(pairs):
        plain = standing(trust, bytes([s]), bytes([v]))
        assert found[at] == pytest.approx(plain.hit, abs=1e-11)
        assert [bytes([node]) for node in narrow.get(at, [])] == list(plain.bottlenecks)
        if s != v:
            assert likely[at] == pytest.approx(expectation(trust, bytes([s]), bytes([v]), "").value, abs=1e-7)


@given(st.integers(0, 10**6), st.integers(1, 50), st.sampled_from(["path", "star", "clique", "cycle"]))
def test_a_ring_moves_an_expectation_no_further_than_its_bound(seed: int, count: int, shape: str) -> None:
    """REP-9: weight in all of F / 0.3, whatever the names and their edges; so a ring that grows gains nothing more."""
    rng, size = Random(seed), 30
    edges = {one: dict(row) for one, row in random_net(seed, size, 4).items()}
    ring = [bytes([100 + n]) for n in range(count)]
    leader, victim, observer = bytes([3]), bytes([4]), bytes([0])
    inside = {
        "path": zip([leader, *ring], ring, strict=False),
        "cycle": zip([leader, *ring], [*ring, leader], strict=True),
        "star": [(leader, one) for one in ring] + [(one, leader) for one in ring],
        "clique": [(one, two) for one in [leader, *ring] for two in [leader, *ring] if one != two],
    }[shape]
    for one, two in inside:
        edges.setdefault(one, {})[two] = 0.9
    honest = {bytes([n]): Tally(1, 0) for n in rng.sample(range(5, size), 8)}
    without = expectation(Graph(edges, {}, {("", victim): honest}), observer, victim, "")
    lies = {one: Tally(0, 1) for one in ring}
    lied = expectation(Graph(edges, {}, {("", victim): honest | lies}), observer, victim, "")
    members = {leader, *ring}
    visits = heeded(Graph(edges, {}, {}), observer, victim)
    flow = sum(
        visits.get(one, 0.0) * (1 - RESTART) * weight / sum(row.values())
        for one, row in edges.items() if one not in members and one != victim
        for two, weight in row.items() if two in members
    )  # fmt: skip
    assert sum(visits.get(one, 0.0) for one in members) <= flow / RESTART + 1e-12
    weight = sum(trusted for node, trusted in lied.reporters if node in members)
    assert weight <= flow / RESTART * (1 / REPORT_HALF + 1) + 1e-12
    total = sum(trusted for _, trusted in without.reporters)
    most = 2 * weight / (total + weight + EXPECTATION_DOUBT)
    moved = without.value - lied.value
    outlook = EXPECTATION_DOUBT / (total + weight + EXPECTATION_DOUBT) * (without.outlook - lied.outlook)
    assert moved <= most + max(0.0, outlook) + 1e-9
    assert weight == 0 or moved > 0  # the control: lies of those who are reached do count


def test_every_number_is_explained() -> None:
    """REP-10."""
    names = {ANN: "Ann", BEN: "Ben", CAT: "Cat", DAN: "Dan", EVE: "Eve"}.__getitem__
    trust = known(said(1, by=ANN, of=BEN), said(1, by=BEN, of=CAT), said(3, "broken", by=EVE, of=CAT))
    assert explain(trust, ANN, CAT, "supplier", names) == (
        "Standing of Cat as supplier, seen from you: 0.003, of at most 1.",
        "You trust Ben → Cat: this way leads there with 0.03.",
        "At its end: kept a day ago (request 31).",
        "Four fifths or more rest on Ben alone, so it counts a tenth.",
        "What to expect of Cat as supplier, from -1 (broken) to 1 (kept): 1.00.",
        "Ben, whose word weighs 1.7, reports 1.00 kept and 0.00 broken, faded with age.",
        "Behind it: kept a day ago (request 31).",
        "1 more report on Cat, but nothing that you trust leads to them: they count nothing.",
        "Of anybody as supplier you expect 1.00, by your own deals and those of whom you trust; that weighs 1.",
        "One more deal of your own with Cat, kept, would make the standing 0.21, the expectation 1.00.",
        "One more deal of your own with Cat, broken, would make the standing 0.003, the expectation -0.01.",
        "Trust that leads there another way would lift it tenfold or more.",
        "What was broken counts 0.25 of it once it is put right and the other side says so.",
        "Left alone, what was kept fades by half in 180 days, what was broken in 360.",
    )


def test_newcomers_and_oneself_in_words() -> None:
    """REP-10: nobody is given an empty name."""
    (line,) = explain(known(), ANN, ANN, "supplier", lambda _: "")
    assert line == "This is you: your own standing is 1 by definition, and what others make of you is theirs."
    first, *_ = explain(known(), ANN, BEN, "supplier", lambda _: "Ben")
    assert first == "Nothing that you trust leads to Ben as supplier: standing 0, as for any newcomer."


def test_words_stay_few() -> None:
    """REP-10: a crowd of reporters and deals is told in a page."""
    crowd = [bytes([1, n]) for n in range(60)]
    deals = [said(n, by=one, of=CAT, deal=f"{one.hex()} {n}") for one in crowd for n in range(20)]
    lines = explain(known(*(said(1, by=ANN, of=one) for one in crowd), *deals), ANN, CAT, "supplier")
    assert len(lines) < 30
    assert max(map(len, lines)) < 240
