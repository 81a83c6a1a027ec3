"""Several faces of one home: who acts, what each begins, and that none speaks for another.

Spec: 02-identity, IDN-19 to IDN-23. What links them all the same: tests/sim/test_linkage.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.engine.network import departure, reconcile
from protocol.errors import CommandError
from protocol.events import PeerConnected, RecordReceived
from protocol.identity import Persona
from protocol.params import PERSONAS_MAX
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope
from protocol.trust.succession import Frozen
from tests.deals import NETWORK, START_MS, TEMPLATE
from tests.stages import Desk, another

WHO = Persona.from_seed(b"\x07" * 32)
FRIEND = Persona.from_seed(b"\x08" * 32)


def desk(**more: Any) -> Desk:
    """A home that knows its first persona's recovery key."""
    return Desk(WHO, recovery={WHO.key: bytes(32)}, **more)


def wish(name: str, region: str = "any", persona: str = "", **more: Any) -> ask.AddIntent:
    """One would like tea."""
    ready_by = START_MS + 86_400_000
    given = {"readiness": "ready", **more}
    return ask.AddIntent(name, TEMPLATE.category, region, 3, 0, 900, ready_by=ready_by, persona=persona, **given)


def authors(one: Desk) -> list[bytes]:
    """Whose wishes were said, in order."""
    return [record.author for record in one.said("intent.1")]


def refused(one: Desk, command: Any, code: str) -> str:
    """The sentence with which a command is refused; nothing has changed."""
    before = dict(one.facts), dict(one.records)
    with pytest.raises(CommandError) as caught:
        one.ask(command)
    assert caught.value.code == code
    assert (one.facts, one.records) == before
    return caught.value.message


def test_a_home_begins_with_one_face() -> None:
    """IDN-21"""
    one = desk()
    found = one.ask(ask.AskPersonas())
    assert [(row["name"], row["key"], row["known"]) for row in found["personas"]] == [("one", WHO.key, False)]
    one.ask(wish("a"))
    one.ask(wish("b", "u10"))
    assert authors(one) == [WHO.key, WHO.key]
    assert one.ask(ask.AskPersonas())["personas"][0]["intents"] == ["a", "b"]


def test_a_new_face_shares_no_key_and_nobody_hears_of_it() -> None:
    """IDN-19, IDN-20"""
    one = desk()
    made = one.ask(ask.MakePersona("garden"))
    assert made["key"] == another(WHO, 1).persona.key != WHO.key
    assert not one.records
    one.ask(wish("a", persona="garden"))
    assert authors(one) == [made["key"]]
    (first,) = one.said("persona.1")
    assert first.author == made["key"]
    assert first.body["recovery"] == another(WHO, 1).recovery


def test_what_began_under_one_face_goes_on_under_it() -> None:
    """IDN-21: after a restart too."""
    one = desk()
    key = one.ask(ask.MakePersona("garden"))["key"]
    one.ask(ask.UsePersona("garden"))
    one.ask(wish("a"))
    one.ask(ask.UsePersona("one"))
    one.start()
    one.ask(wish("a"))
    refused(one, wish("a", persona="one"), "IDN-21")
    founded = one.ask(ask.FoundCoop("a", "Tea", 2, 9, "quick", 0))
    one.tick()
    assert {record.author for record in one.records.values()} == {key}
    assert {record.kind for record in one.records.values()} >= {"intent.1", "charter.1", "call.1", "accept.1", "join.1"}
    assert one.ask(ask.AskCoop(founded["coop"]))["mine"] is False, "its roster is not decided yet"
    one.ask(ask.WithdrawIntent("a"))
    one.ask(wish("a"))
    assert authors(one)[-1] == WHO.key


def test_a_rule_finds_who_acts() -> None:
    """IDN-21: a circle keeps its face; a deal has one of its own; the first is used up first."""
    circle, deal = desk(persona="per-circle"), desk(persona="per-deal")
    for one in (circle, deal):
        one.ask(wish("a"))
        one.ask(wish("b", "u10"))
        one.ask(wish("one", "u11"))
    assert authors(circle) == [WHO.key] * 3
    assert authors(deal) == [WHO.key, another(WHO, 1).persona.key, another(WHO, 2).persona.key]
    assert [row["name"] for row in deal.ask(ask.AskPersonas())["personas"]] == ["one", "b", "one-2"]


def test_two_faces_do_not_wait_for_one_group() -> None:
    """IDN-22: unless one of them only looks about, or another board is meant."""
    one = desk(persona="per-deal")
    one.ask(wish("a"))
    assert "one waits for the same group" in refused(one, wish("b"), "IDN-22")
    one.ask(wish("b", readiness="exploring"))
    one.ask(wish("c", "u10"))
    assert len(set(authors(one))) == 3


def test_a_frozen_face_waits_for_no_group() -> None:
    """IDN-22, IDN-33: another may take its place, and nobody is asked what shall become of its intent."""
    one = desk(persona="per-deal")
    one.ask(wish("a"))
    assert "one waits" in refused(one, wish("b"), "IDN-22")
    one.engine._core.frozen[WHO.key] = Frozen(START_MS, b"")
    one.ask(wish("b"))
    assert authors(one)[-1] != WHO.key


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (ask.MakePersona("one"), "IDN-20"),
        (ask.MakePersona("per-deal"), "IDN-20"),
        (ask.MakePersona("garden"), "IDN-20"),
        (ask.MakePersona("Garden gate"), "IDN-20"),
        (ask.UsePersona("nobody"), "IDN-20"),
        (wish("a", persona="nobody"), "IDN-20"),
        (ask.Vouch(FRIEND.key, "nobody"), "IDN-20"),
        (ask.MakeToken("Ben", START_MS + 1, "nobody"), "IDN-20"),
    ],
)
def test_refusals(command: Any, code: str) -> None:
    """IDN-20"""
    one = desk()
    one.ask(ask.MakePersona("garden"))
    refused(one, command, code)


def test_there_is_an_end_to_faces() -> None:
    """IDN-20: as many as have a recovery key at hand."""
    one = desk(persona="per-deal")
    for number in range(1, PERSONAS_MAX):
        one.ask(ask.MakePersona(f"p{number}"))
    refused(one, ask.MakePersona("more"), "IDN-20")
    one.ask(wish("a"))
    refused(one, wish("b", "u10"), "IDN-20")


@pytest.mark.parametrize("role", ["relay", "supplier"])
def test_who_is_looked_for_by_its_key_has_one_face(role: str) -> None:
    """IDN-20"""
    one = desk(role=role)
    refused(one, ask.MakePersona("garden"), "IDN-20")
    refused(one, ask.UsePersona("per-deal"), "IDN-20")


def test_a_vouch_and_a_token_have_their_face() -> None:
    """IDN-21"""
    one = desk()
    key = one.ask(ask.MakePersona("garden"))["key"]
    one.ask(ask.Vouch(FRIEND.key, "garden"))
    assert [record.author for record in one.said("vouch.1")] == [key]
    tokens = [one.ask(ask.MakeToken("Ben", START_MS + 10**9, name))["token"] for name in ("", "garden")]
    assert [row["token"] for row in one.ask(ask.AskMail())["tokens"] if row["token"] in tokens]
    assert {row["token"] for row in one.ask(ask.AskMail())["tokens"]} == set(tokens)


@given(st.lists(st.sampled_from(["new", "use", "rule", "add", "start", "withdraw"]), max_size=12), st.randoms())
def test_an_intent_never_changes_its_face(steps: list[str], rng: Any) -> None:
    """IDN-21: whatever the order, all that is said of a living intent has one author."""
    one, living, made = desk(), dict[str, bytes](), 0
    for step in steps:
        match step:
            case "new":
                made += 1
                one.ask(ask.MakePersona(f"p{made}"))
            case "use":
                one.ask(ask.UsePersona(rng.choice(["one", *(f"p{number + 1}" for number in range(made))])))
            case "rule":
                one.ask(ask.UsePersona(rng.choice(["per-circle", "per-deal"])))
            case "start":
                one.start()
            case "withdraw" if living:
                living.pop(name := rng.choice(sorted(living)))
                one.ask(ask.WithdrawIntent(name))
            case "add":
                name = rng.choice("abc")
                one.ask(wish(name, "u1" + name))
                said = max(one.said("intent.1"), key=lambda record: list(one.records).index(record.id))
                assert living.setdefault(name, said.author) == said.author


def first_of(number: int) -> Record:
    """The first record of another persona of the same home, as relays have it."""
    made = another(WHO, number)
    scope, slot = trust_scope(made.persona.key), Slot("once", "persona", 0)
    ends = START_MS + 10**10
    return Record.sign(
        made.persona,
        NETWORK,
        "persona.1",
        scope,
        {"recovery": made.recovery},
        created=START_MS,
        expires=ends,
        slot=slot,
        refs=(),
    )


def test_all_faces_are_found_again() -> None:
    """IDN-3, IDN-40: in whatever order they come; twenty unknown ones in a row end it; no second first record."""
    one = desk()
    for region in ("any", "u10"):
        assert one.ask(ask.AskPersonas())["search"]["finding"] is (region == "u10")
        found = one.ask(ask.FindPersonas())
    assert (found["finding"], found["tried"], found["found"]) == (True, 21, 1)
    for number in (59, 38, 18, 2):
        one.do(RecordReceived(first_of(number), ""))
    one.tick()
    assert [row["name"] for row in one.ask(ask.AskPersonas())["personas"]] == ["one", "p2", "p18", "p38"]
    assert one.ask(ask.AskPersonas())["search"]["tried"] == 59, "the next would be number 59"
    one.start()
    scopes = [scope for scope in one.engine.scopes() if scope.startswith("trust/")]
    assert len(scopes) == 16
    assert not one.ask(ask.FindPersonas(stop=True))["finding"]
    own = {trust_scope(row["key"]) for row in one.ask(ask.AskPersonas())["personas"]}
    assert {scope for scope in one.engine.scopes() if scope.startswith("trust/")} <= own
    one.ask(wish("a", persona="p18"))
    assert authors(one) == [another(WHO, 18).persona.key]
    assert len([record for record in one.said("persona.1") if record.author == another(WHO, 18).persona.key]) == 1


def test_what_links_them_is_said() -> None:
    """IDN-41: nearest stamps, boards, and fields that are alike; nothing while there is one."""
    one = desk(persona="per-deal")
    one.ask(wish("a"))
    alone = one.ask(ask.AskLinkage())
    assert (alone["pairs"], len(alone["says"])) == ([], 1)
    one.now += 3 * 60_000
    one.ask(wish("b", "u10"))
    found = one.ask(ask.AskLinkage())
    (pair,) = found["pairs"]
    assert pair["faces"] == ["one", "b"]
    assert pair["apart_ms"] == 3 * 60_000
    assert pair["alike"] == ["spend_minor", "want"]
    assert "3 minutes apart" in found["says"][0]
    assert "one connection" in found["says"][-1]


def test_two_faces_speak_apart() -> None:
    """IDN-24: each in its own while, stamped with it; the control has no delay."""
    for delay_ms in (0, 1_000):
        one = desk(persona="per-deal", delay_ms=delay_ms)
        one.ask(wish("a"))
        one.ask(wish("b", "u10"))
        stamps = [record.header.created - START_MS for record in one.said("intent.1")]
        assert stamps[0] == 0
        assert (stamps[1] > 0) is bool(delay_ms)
        assert stamps[1] <= 200 * delay_ms


def test_what_waits_to_leave_is_not_reconciled_away() -> None:
    """IDN-24: neither by a new session nor in one that is under way; afterwards it is."""
    one = desk(delay_ms=1_000)
    one.do(PeerConnected("relay", True))
    one.ask(wish("a"))
    (record,) = one.said("intent.1")
    core = one.engine._core
    assert departure.waits(core, record.scope)
    assert departure.gone(core, [record.id, bytes(32)]) == [bytes(32)]
    neighbour = core.neighbours["relay"]
    neighbour.sessions.clear()
    core.out = []
    reconcile.begin(core, neighbour, record.scope)
    assert record.scope in neighbour.due
    assert record.scope not in neighbour.sessions
    one.tick(1_000)
    assert not departure.waits(core, record.scope)
    assert departure.gone(core, [record.id]) == [record.id]
    assert record.scope in neighbour.sessions


def test_a_home_accepts_for_the_face_that_joins() -> None:
    """IDN-22: a second face that the charter names as witness keeps out of it; the control accepts for the joiner."""
    one = desk()
    key = one.ask(ask.MakePersona("two"))["key"]
    one.ask(wish("a"))
    founded = one.ask(ask.FoundCoop("a", "Tea", 2, 9, "quick", 0, witnesses=(WHO.key, key)))
    one.tick()
    assert [record.author for record in one.said("accept.1")] == [WHO.key]
    assert founded["coop"]
