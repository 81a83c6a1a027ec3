"""A crowd divided at once, a board that changes: the same groups as the entries alone lead to (05-formation)."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.coop.bulk import divide, divide_items
from protocol.coop.division import Item, Sizes, divided, packed
from protocol.coop.formation import Entry, Formation, founded, groups_of, tag
from protocol.coop.standing import Standing, form
from protocol.engine.coop.board import _grouped, entries, epoch_seed
from protocol.events import Compute, RecordReceived
from protocol.identity import Persona
from protocol.record.record import Record, Slot
from tests.sim.town import short_template
from tests.sim.world import NETWORK, START_MS, World
from tests.test_formation import Groups, Vector, as_sets, crowds, entry, fits, literal, literal_parts, tags

HOUR_MS = 3_600_000
TEMPLATE, BOARD = short_template(least=3), "board/electricity/any"
SIZES = st.sampled_from([(2, 3), (2, 5), (3, 3), (3, 4), (4, 9), (5, 7)])


def rows(vectors: Sequence[Vector]) -> list[Item]:
    marks = tags(len(vectors))
    return sorted((packed(vector), marks[at], at) for at, vector in enumerate(vectors))


def literal_form(entries: Sequence[Entry], epoch: bytes, least: int, most: int) -> Formation:
    """FRM-8 to FRM-10 as a stranger would write them."""
    counting: dict[tuple[bytes, str], Entry] = {}
    for one in sorted(entries, key=lambda one: one.id):
        counting.setdefault((one.key, one.block[0]), one)
    waiting, groups = list(counting.values()), []
    longest = max((len(one.block) for one in waiting), default=0)
    for rung in [longest + 1, *range(longest, 0, -1)]:
        shares: dict[tuple[str, ...], list[Entry]] = {}
        for one in waiting:
            shares.setdefault(one.block[:rung], []).append(one)
        waiting = []
        for crowd in shares.values():
            found, left = literal([one.vector for one in crowd], [tag(one.key) for one in crowd], least, most)
            groups += [founded([crowd[at] for at in one], epoch) for one in found]
            waiting += [crowd[at] for at in left]
    return Formation(tuple(sorted(groups, key=lambda one: one.ids)), tuple(sorted(one.id for one in waiting)))


@given(crowds(), st.integers(0, 30))
def test_many_at_once_as_one_by_one(crowd: tuple[list[Vector], int, int], above: int) -> None:
    """FRM-2 to FRM-6: the sweep over many parts, the recursion and a second reading of the spec agree."""
    vectors, least, most = crowd
    count = max(n for n in range(len(vectors) + 1) if fits(n, least, most))
    row = rows(vectors[:count])
    sizes = Sizes(least, most)
    expected = [sorted(at for _, _, at in one) for one in divided(row, sizes)] if row else []
    found = divide_items(row, sizes, above).groups(row) if row else []
    assert [sorted(at for _, _, at in one) for one in found] == expected
    literally = literal_parts(list(range(count)), vectors, tags(count), least, most) if count else []
    assert as_sets(expected) == as_sets(literally)


@given(crowds(), st.integers(1, 4), st.integers(0, 10**6))
def test_several_crowds_at_once(crowd: tuple[list[Vector], int, int], blocks: int, seed: int) -> None:
    """FRM-3: each crowd by itself, its own left over."""
    vectors, least, most = crowd
    rng, marks = Random(seed), tags(len(vectors))
    where = [rng.randrange(blocks) for _ in vectors]
    width = len(vectors[0]) if vectors else 0
    division = divide(
        np.frombuffer(b"".join(map(packed, vectors)), dtype=np.uint8).reshape(len(vectors), width),
        np.frombuffer(b"".join(marks), dtype=np.uint8).reshape(-1, 16),
        np.array(where, dtype=np.int64),
        Sizes(least, most),
        0,
    )
    expected: Groups = []
    for one in range(blocks):
        members = [at for at, other in enumerate(where) if other == one]
        found, _ = literal([vectors[at] for at in members], [marks[at] for at in members], least, most)
        expected += [[members[at] for at in group] for group in found]
    assert as_sets(division.groups(list(range(len(vectors))))) == as_sets(expected)


BLOCKS = [("food/00", "g", "c", "window 1"), ("food/00", "g", "d", "window 1"), ("food/00", "h"), ("tea/00", "g")]


def somebody(number: int, record: int, reach: int, width: int) -> Entry:
    """One of an author's intents: what it says follows from its id."""
    rng = Random(f"{number} {record}")
    vector = tuple(rng.choice([0, 0, rng.randint(-reach, reach)]) for _ in range(width))
    return entry(number, vector, rng.choice([BLOCKS[0], rng.choice(BLOCKS)]), record)


@given(st.integers(0, 10**6), SIZES, st.sampled_from([1, 3, 127]), st.integers(0, 3), st.sampled_from([1, 3, 8, 30]))
def test_a_board_that_changes(seed: int, bounds: tuple[int, int], reach: int, width: int, leaf: int) -> None:
    """FRM-3 to FRM-10: whatever came and went, one at a time or many, the groups are those of who is there."""
    rng, least, most = Random(seed), *bounds
    standing = Standing(Sizes(least, most, leaf))
    here: dict[bytes, Entry] = {}
    for _ in range(12):
        gone = rng.sample(sorted(here), min(len(here), rng.choice([0, 0, 1, 1, 2, 20])))
        many = rng.choice([0, 1, 1, 1, 3, 80])
        come = [somebody(rng.randrange(250), rng.randrange(4), reach, width) for _ in range(many)]
        standing.change(gone, come)
        for one in gone:
            del here[one]
        here = {one.id: one for one in come} | here
        expected = literal_form(list(here.values()), b"day", least, most)
        assert standing.formation(b"day") == expected
        groups = {i: one for one in expected.groups for i in one.ids}
        asked = rng.sample(sorted(here), min(len(here), 3))
        told = groups_of(list(here.values()), asked, b"day", least, most)
        for one in asked:
            assert standing.group_of(one, b"day") == told[one] == groups.get(one)
    assert form(here.values(), b"day", least, most) == standing.formation(b"day")


def stranger(number: int, rng: Random, created: int, readiness: str = "ready", seq: int = 0) -> Record:
    """An intent on the board of somebody whom nobody here knows."""
    shown = {one.name: level for one in TEMPLATE.attributes[:5] if (level := rng.choice((-1, 0, 1)))}
    body = {"template": TEMPLATE.hash, "want": 1, "tolerate": 0, "spend_minor": 1, "readiness": readiness}
    body |= {"ready_by": START_MS + HOUR_MS, "levels": shown, "terms": []}
    return Record.sign(
        Persona.from_seed(number.to_bytes(32, "big")), NETWORK, "intent.1", BOARD, body, created=created,
        expires=START_MS + 2 * HOUR_MS, slot=Slot("latest", "power", seq),
    )  # fmt: skip


@pytest.mark.parametrize(("inline", "changes", "worker"), [(1_000, 0, False), (0, 100, False), (0, 4, True)])
def test_an_engine_follows_a_board_from_epoch_to_epoch(
    inline: int, changes: int, worker: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FRM-12: with what came and went, or all anew, here or in a worker, the own group is that of all."""
    monkeypatch.setattr("protocol.engine.coop.board.FORM_INLINE_MAX", inline)
    monkeypatch.setattr("protocol.engine.coop.board.FORM_CHANGES_MAX", changes)
    world, rng = World(1, [TEMPLATE]), Random(9)
    world.add("ann")
    world.ask("ann", ask.AddIntent("power", "electricity", "any", 1, 0, 1, "ready", START_MS + HOUR_MS))
    (own,) = (one.id for one in world.nodes["ann"].records.values() if one.kind == "intent.1")
    engine = world.nodes["ann"].engine
    assert engine is not None
    core, first = engine._core, START_MS // TEMPLATE.epoch_ms + 1
    for at in range(6):
        for number in rng.sample(range(60), 3) if at else range(60):
            said = stranger(number + 1, rng, START_MS + at, rng.choice(("ready", "ready", "withdrawn")), at)
            world.handle("ann", RecordReceived(said, ""))
        board = core.contexts[BOARD]
        arguments = (
            entries(core, board, TEMPLATE, (first + at) * TEMPLATE.epoch_ms),
            [own], epoch_seed(first + at, BOARD), TEMPLATE.least, TEMPLATE.most,
        )  # fmt: skip
        found = _grouped(core, board, TEMPLATE, first + at)
        if worker:
            assert isinstance(job := core.out.pop(), Compute)
            assert (found, job.arguments) == (None, arguments)
        else:
            assert found == groups_of(*arguments)
            assert found[own] is not None
        assert len(board.standings) == int(not worker)
