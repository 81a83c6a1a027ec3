"""What a recovery key says, and what follows from it: freezes, heirs, and what a thief can and cannot do.

Spec: 02-identity, IDN-26 to IDN-34.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.engine.carrying import counted, stands_for
from protocol.engine.coop.membership import Wish, _kept_out, _vouched
from protocol.engine.freezing import check_company
from protocol.errors import CommandError, Ignore, Reject
from protocol.events import RecordReceived
from protocol.identity import Persona, recovery_hash
from protocol.params import SUCCESSIONS_MAX
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope
from protocol.trust.reputation import Evidence, heir_of
from protocol.trust.succession import Frozen, consent, frozen_in, read
from tests.deals import NETWORK, START_MS, TEMPLATE, Handmade
from tests.stages import Desk, at

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "succession.json"
YEAR = 365 * 86_400_000


def seeded(number: int) -> Persona:
    """A key pair by number."""
    return Persona.from_seed(number.to_bytes(32, "big"))


OLD, SAFE, HEIR, THIEF, OTHER = (seeded(number) for number in range(1, 6))
SCOPE = trust_scope(OLD.key)


def signed(
    author: Persona, kind: str, body: dict[str, Any], name: str, scope: str = SCOPE, created: int = START_MS
) -> Record:
    """A record in a `once` slot of a trust scope."""
    slot = Slot("once", name, 0)
    return Record.sign(author, NETWORK, kind, scope, body, created=created, expires=START_MS + YEAR, slot=slot, refs=())


def first(persona: Persona = OLD, recovery: Persona = SAFE, created: int = START_MS) -> Record:
    """A persona's first record."""
    body = {"recovery": recovery_hash(persona.key, recovery.key)}
    return signed(persona, "persona.1", body, "persona", trust_scope(persona.key), created)


def freeze(
    recovery: Persona = SAFE, of: Record | None = None, created: int = START_MS + 5, name: str = "freeze"
) -> Record:
    """The recovery key's word that a persona's has ended."""
    of = of or first()
    return signed(recovery, "freeze.1", {"first": of.raw}, name, of.scope, created)


def succession(
    heir: Persona = HEIR,
    recovery: Persona = SAFE,
    of: Record | None = None,
    agreed: bytes | None = None,
    created: int = START_MS + 6,
) -> Record:
    """The recovery key's word who comes next."""
    of = of or first()
    given = consent(heir, NETWORK, of.author) if agreed is None else agreed
    body = {"first": of.raw, "successor": heir.key, "consent": given}
    return signed(recovery, "succession.1", body, "succession", of.scope, created)


def log_of(*records: Record) -> Log:
    """A trust scope with these."""
    log = Log(records[0].scope)
    for one in records:
        log.add(one, wanted=True)
    return log


BAD: dict[str, tuple[Record, str]] = {
    "by the thief, who has the persona's key": (freeze(OLD), "IDN-27"),
    "by somebody else's recovery key": (freeze(OTHER), "IDN-27"),
    "in another slot": (freeze(name="other"), "IDN-27"),
    "in another scope": (signed(SAFE, "freeze.1", {"first": first().raw}, "freeze", "trust/f"), "IDN-27"),
    "of a record that is no first one": (freeze(of=freeze()), "IDN-27"),
    "of a first record that was altered": (
        signed(SAFE, "freeze.1", {"first": first().raw[:-1] + b"\x00"}, "freeze"),
        "IDN-27",
    ),
    "of no record": (signed(SAFE, "freeze.1", {"first": b"\x00"}, "freeze"), "IDN-27"),
    "an heir who did not agree": (succession(agreed=bytes(64)), "IDN-28"),
    "an heir who agreed to something else": (succession(agreed=consent(HEIR, NETWORK, OTHER.key)), "IDN-28"),
    "the agreement of another": (succession(agreed=consent(THIEF, NETWORK, OLD.key)), "IDN-28"),
    "itself as heir": (succession(OLD), "IDN-28"),
    "the thief as heir, by the persona's own key": (succession(THIEF, OLD), "IDN-27"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_what_no_recovery_key_said(name: str) -> None:
    """IDN-27, IDN-28"""
    record, code = BAD[name]
    with pytest.raises(Reject) as caught:
        read(record, NETWORK)
    assert caught.value.code == code
    assert frozen_in(log_of(record), NETWORK) == {}


def test_a_freeze_and_a_succession() -> None:
    """IDN-30: the earliest stamp counts; a succession freezes too."""
    assert read(freeze(), NETWORK).author == OLD.key
    assert frozen_in(log_of(first(), freeze()), NETWORK) == {OLD.key: Frozen(START_MS + 5, b"")}
    assert frozen_in(log_of(succession()), NETWORK) == {OLD.key: Frozen(START_MS + 6, HEIR.key)}
    assert frozen_in(log_of(freeze(), succession()), NETWORK) == {OLD.key: Frozen(START_MS + 5, HEIR.key)}


def test_two_heirs_are_none() -> None:
    """IDN-31: of the same recovery key; the persona is frozen all the same."""
    both = log_of(succession(), succession(OTHER, created=START_MS + 7))
    assert frozen_in(both, NETWORK) == {OLD.key: Frozen(START_MS + 6, b"")}
    again = log_of(succession(), succession(created=START_MS + 7))
    assert frozen_in(again, NETWORK)[OLD.key].heir == HEIR.key, "the same heir twice is one"


def test_a_thief_who_says_a_first_record_too() -> None:
    """IDN-29: where the true one is known nothing of the thief's counts, whoever comes first elsewhere."""
    theirs = first(recovery=THIEF, created=START_MS - 9)
    taken = succession(THIEF, THIEF, theirs)
    assert frozen_in(log_of(first(), taken), NETWORK) == {}
    assert frozen_in(log_of(first(), taken, succession()), NETWORK)[OLD.key].heir == HEIR.key
    assert frozen_in(log_of(taken), NETWORK)[OLD.key].heir == THIEF.key, "the control: nobody had heard of the persona"


@given(st.permutations([first(), freeze(), succession(), first(OTHER, THIEF), freeze(OLD)]))
def test_order_does_not_matter(records: Sequence[Record]) -> None:
    """IDN-30"""
    log = Log(SCOPE)
    for one in records:
        if one.scope == SCOPE:
            log.add(one, wanted=True)
    assert frozen_in(log, NETWORK) == {OLD.key: Frozen(START_MS + 5, HEIR.key)}


def test_chains_end() -> None:
    """IDN-32: at the last heir; a circle and what is too long stay where they began."""
    names = [bytes([number]) for number in range(SUCCESSIONS_MAX + 3)]
    chain = dict(pairwise(names))
    assert heir_of(names[0], {}) == names[0]
    assert heir_of(names[-3], chain) == names[-1]
    assert heir_of(names[2], chain) == names[2 + SUCCESSIONS_MAX]
    assert heir_of(names[1], chain) == names[1], "too long"
    assert heir_of(names[0], {names[0]: names[1], names[1]: names[0]}) == names[0]


@given(st.dictionaries(st.integers(0, 12), st.integers(0, 12), max_size=13), st.integers(0, 12))
def test_every_chain_is_walked_in_bounded_time(links: dict[int, int], start: int) -> None:
    """IDN-32: whatever was said, somebody is found, and nobody passes for the heir of a circle."""
    heirs = {bytes([a]): bytes([b]) for a, b in links.items()}
    end = heir_of(bytes([start]), heirs)
    assert end == bytes([start]) or end not in heirs


def _shown(found: dict[bytes, Frozen]) -> list[dict[str, Any]]:
    return [{"persona": key.hex(), "since": one.since, "heir": one.heir.hex()} for key, one in found.items()]


def vectors() -> dict[str, Any]:
    """What a scope's records amount to, and what is no word of a recovery key."""
    taken = succession(THIEF, THIEF, first(recovery=THIEF, created=START_MS - 9))
    scopes: dict[str, tuple[str, tuple[Record, ...]]] = {
        "a freeze": ("IDN-30", (first(), freeze())),
        "a succession freezes": ("IDN-30", (succession(),)),
        "the earlier stamp": ("IDN-30", (succession(), freeze())),
        "two heirs": ("IDN-31", (succession(), succession(OTHER, created=START_MS + 7))),
        "one heir twice": ("IDN-31", (succession(), succession(created=START_MS + 7))),
        "a thief's first record came second": ("IDN-29", (first(), taken)),
        "a thief's first record came first": ("IDN-29", (taken,)),
    }
    cases: list[dict[str, Any]] = []
    for name, (clause, records) in scopes.items():
        given = {"network": NETWORK.hex(), "records": [one.raw.hex() for one in records]}
        found = _shown(frozen_in(log_of(*records), NETWORK))
        cases.append({"name": name, "clause": clause, "input": given, "output": {"frozen": found}})
    agreed = consent(HEIR, NETWORK, OLD.key).hex()
    given = {"network": NETWORK.hex(), "persona": OLD.key.hex(), "successor_seed": HEIR.seed.hex()}
    cases.append({"name": "an heir agrees", "clause": "IDN-28", "input": given, "output": {"consent": agreed}})
    for name, line, start in (
        ("nobody's heir", {}, 1),
        ("a line of eight", {number: number + 1 for number in range(1, 9)}, 1),
        ("a line of nine", {number: number + 1 for number in range(1, 10)}, 1),
        ("the second of a line of nine", {number: number + 1 for number in range(1, 10)}, 2),
        ("a circle", {1: 2, 2: 3, 3: 1}, 1),
        ("a line into a circle", {1: 2, 2: 3, 3: 2}, 1),
    ):
        heirs = {bytes([one]): bytes([other]) for one, other in line.items()}
        told = {one.hex(): other.hex() for one, other in heirs.items()}
        end = {"stands": heir_of(bytes([start]), heirs).hex()}
        cases.append(
            {"name": name, "clause": "IDN-32", "input": {"heirs": told, "of": f"{start:02x}"}, "output": end}
        )
    for name, (record, code) in sorted(BAD.items()):
        given = {"network": NETWORK.hex(), "record": record.raw.hex()}
        cases.append({"name": name, "clause": code, "input": given, "reject": code})
    return {"name": "succession", "spec": "02-identity", "cases": cases}


def test_vectors() -> None:
    """The committed file is what the code makes."""
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == vectors()


# A node that hears of it


def desk(*records: Record, **more: Any) -> Desk:
    """A member's node that follows the persona's scope and a board."""
    one = Desk(seeded(40), facts={f"scope/{SCOPE}": b"1", "scope/board/tea/any": b"1"}, now=START_MS + 100, **more)
    for record in records:
        hear(one, record)
    one.tick()
    return one


def hear(one: Desk, record: Record) -> None:
    """A record comes from somewhere."""
    one.do(RecordReceived(record, ""))


def ignored(one: Desk, record: Record) -> str:
    """The code with which a node passes a record over."""
    with pytest.raises(Ignore) as caught:
        hear(one, record)
    return caught.value.code


def wish(author: Persona, created: int = START_MS + 50) -> Record:
    """An intent on the board."""
    body = {
        "template": TEMPLATE.hash,
        "want": 3,
        "tolerate": 0,
        "spend_minor": 900,
        "readiness": "ready",
        "ready_by": START_MS + YEAR,
        "levels": {},
        "terms": [],
    }
    slot = Slot("latest", "tea", 0)
    return Record.sign(
        author, NETWORK, "intent.1", "board/tea/any", body, created=created, expires=START_MS + YEAR, slot=slot, refs=()
    )


def vouch(author: Persona, created: int = START_MS + 50) -> Record:
    """A word for somebody in the same scope."""
    subject = next(key for key in (seeded(number).key for number in range(50, 200)) if trust_scope(key) == SCOPE)
    return signed(author, "vouch.1", {"subject": subject}, f"vouch/{subject[:8].hex()}", created=created)


def test_nothing_new_of_a_frozen_persona_is_taken() -> None:
    """IDN-33: however it is dated; what was there before stays."""
    one = desk(first(), wish(OLD), freeze())
    assert {record.kind for record in one.records.values()} >= {"persona.1", "intent.1", "freeze.1"}
    for late in (wish(OLD, START_MS + 60), wish(OLD, START_MS - 60), vouch(OLD, START_MS - 60)):
        assert ignored(one, late) == "IDN-33"
    hear(one, wish(OTHER))
    one.start()
    one.tick()
    assert ignored(one, vouch(OLD)) == "IDN-33", "after a restart too"


def test_a_thiefs_word_changes_nothing() -> None:
    """IDN-27, IDN-29: neither freeze nor successor, nor another first record."""
    one = desk(first())
    assert ignored(one, freeze(OLD)) == "IDN-27"
    assert ignored(one, first(recovery=THIEF, created=START_MS - 9)) == "IDN-29"
    assert ignored(one, succession(THIEF, THIEF, first(recovery=THIEF, created=START_MS - 9))) == "IDN-29"
    hear(one, vouch(OLD))
    hear(one, succession())
    one.tick()
    assert stands_for(one.engine._core, OLD.key) == HEIR.key


def test_an_own_persona_that_is_frozen_signs_no_more() -> None:
    """IDN-33, and it is said which."""
    me = seeded(40)
    of = first(me)
    one = Desk(me, facts={f"scope/{of.scope}": b"1"}, now=START_MS + 100)
    hear(one, freeze(of=of))
    one.tick()
    with pytest.raises(CommandError) as caught:
        one.ask(ask.Vouch(OTHER.key))
    assert caught.value.code == "IDN-33"
    assert one.ask(ask.AskPersonas())["personas"][0]["frozen"] == START_MS + 5
    key = one.ask(ask.MakePersona("new"))["key"]
    one.ask(ask.Vouch(OTHER.key, "new"))
    assert [record.author for record in one.said("vouch.1")] == [key]


def test_the_words_are_needed_nowhere_but_to_sign() -> None:
    """IDN-26: a node that has no persona of that person hands in what the recovery key signed elsewhere."""
    one = desk(first())
    one.ask(ask.MakePersona("new"))
    found = one.ask(ask.AskRecovery(OLD.key, "new"))
    assert found["first"] == first().raw
    body = {name: found[name] for name in ("first", "successor", "consent")}
    record = signed(SAFE, "succession.1", body, "succession", created=found["now"])
    one.ask(ask.HandIn(record.raw))
    one.tick()
    assert one.ask(ask.AskRecovery(OLD.key))["heir"] == found["successor"]
    for bad, code in ((freeze(OLD), "IDN-27"), (vouch(OTHER), "IDN-27"), (wish(OTHER), "IDN-27")):
        with pytest.raises(CommandError) as caught:
            one.ask(ask.HandIn(bad.raw))
        assert caught.value.code == code
    with pytest.raises(CommandError) as caught:
        one.ask(ask.AskRecovery(OLD.key, "nobody"))
    assert caught.value.code == "IDN-20"


def test_a_witness_receipts_nothing_new_of_a_frozen_member() -> None:
    """IDN-33: the control receipts it."""
    made = Handmade()
    stolen = made.members[2]
    of = first(stolen)
    for frozen in (False, True):
        one = at(made, "gathering", made.witnesses[0], facts={f"scope/{of.scope}": b"1"})
        if frozen:
            hear(one, freeze(of=of))
        one.tick()
        late = next(record for record in made.records if record.kind == "pledge.1" and record.author == stolen.key)
        context = one.engine._core.context(late.scope)
        coop = context.coop(one.engine._core.settings)
        assert coop is not None
        hear(one, late)
        assert _vouched(one.engine._core, context, coop, late, made.witnesses[0]) is not frozen


def test_a_node_keeps_a_bounded_number_in_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    """IDN-30"""
    monkeypatch.setattr("protocol.engine.freezing.FROZEN_MAX", 3)
    one = desk()
    for number in random.Random(1).sample(range(60, 400), 300):
        of = first(seeded(number), seeded(1000 + number))
        if of.scope == SCOPE:
            hear(one, freeze(seeded(1000 + number), of))
    one.tick()
    assert len(one.engine._core.frozen) == 3


def test_what_a_frozen_persona_says_afterwards_does_not_count() -> None:
    """IDN-32, IDN-33: before it did, and it is its heir's word then; what own personas know is one knowledge."""
    one = desk(first(), succession())
    core = one.engine._core
    mine = one.ask(ask.MakePersona("new"))["key"]
    rows = [Evidence(OLD.key, OTHER.key, "member", "kept", bytes(32), START_MS + at, START_MS + at) for at in (5, 6, 7)]
    rows += [Evidence(mine, OTHER.key, "member", "kept", bytes(32), START_MS, START_MS)]
    assert [(row.reporter, row.stamped_ms) for row in counted(core, rows)] == [
        (HEIR.key, START_MS + 5),
        (core.me.key, START_MS),
    ]


def test_nobody_joins_under_a_frozen_founder_nor_beside_a_frozen_member() -> None:
    """IDN-34: the one is refused, the other excluded; both are shown."""
    made = Handmade()
    one = at(made, "gathering", made.members[0])
    core = one.engine._core
    context = core.context(made.scope)
    coop = context.coop(core.settings)
    assert coop is not None
    joined = [record.author for record in context.log.of_kind("join.1")]
    wish = Wish("board/tea/any", "tea", exclude=(OTHER.key,))
    check_company(core, coop.charter)
    assert _kept_out(core, context, wish) == [OTHER.key]
    core.frozen[joined[0]] = Frozen(START_MS, b"")
    assert _kept_out(core, context, wish) == sorted({OTHER.key, joined[0]})
    core.frozen[coop.charter.author] = Frozen(START_MS, b"")
    with pytest.raises(CommandError) as caught:
        check_company(core, coop.charter)
    assert caught.value.code == "IDN-34"
    assert coop.charter.author in one.ask(ask.AskCoop(coop.hash[:16]))["frozen"]
