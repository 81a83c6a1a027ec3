"""A proof to one verifier that convinces nobody else. Spec: 02-identity, IDN-35 to IDN-39."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.engine.carrying import counted, heirs, stands_for
from protocol.errors import CommandError, Reject
from protocol.identity import Persona, did
from protocol.params import PROOF_LIFE_MS, PROOFS_MAX
from protocol.trust.carryover import Proof, check, imitate, make, shared_key
from protocol.trust.reputation import Evidence, graph, standing
from tests.deals import NETWORK, START_MS
from tests.stages import Desk, another

OLD, NEW, VERIFIER, OTHER = (Persona.from_seed(bytes([number]) * 32) for number in range(11, 15))
NONCE = bytes(range(16))
NOW, ENDS = START_MS, START_MS + 1_000_000
# A key by which IDN-4 takes signatures: a usual one, and a point of order eight added to it.
MIXED_ORDER = bytes.fromhex("fbb3211d177bccefd763d01a88f6473e43e5cf0a0740e44ab5c64460eefd4675")
VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "carryover.json"


def good() -> Proof:
    """The new persona stands for the old one, for the verifier."""
    return make(OLD, NEW.key, VERIFIER.key, NETWORK, ENDS, lambda size: NONCE[:size])


def test_the_verifier_is_convinced_and_could_have_made_it() -> None:
    """IDN-35, IDN-37: what the verifier forges is the same to the byte, so it proves nothing to a third."""
    check(good(), VERIFIER, NOW)
    assert imitate(VERIFIER, OLD.key, NEW.key, NETWORK, ENDS, NONCE) == good()
    assert shared_key(OLD, VERIFIER.key) == shared_key(VERIFIER, OLD.key) != shared_key(OTHER, VERIFIER.key)


def test_nobody_else_can_make_it() -> None:
    """IDN-38: not even who knows the proof, or the new persona."""
    for forger in (NEW, OTHER):
        forged = replace(imitate(forger, OLD.key, NEW.key, NETWORK, ENDS, NONCE), verifier=VERIFIER.key)
        with pytest.raises(Reject, match="IDN-38"):
            check(forged, VERIFIER, NOW)
        made = replace(make(forger, NEW.key, VERIFIER.key, NETWORK, ENDS, lambda size: NONCE), old=OLD.key)
        with pytest.raises(Reject, match="IDN-38"):
            check(made, VERIFIER, NOW)


def bad() -> dict[str, tuple[Proof, Persona, int]]:
    """Proofs that hold for nobody: (proof, who checks it, when)."""
    one = good()
    return {
        "for somebody else": (one, OTHER, NOW),
        "for somebody else, who writes themself in": (replace(one, verifier=OTHER.key), OTHER, NOW),
        "used by another new persona": (replace(one, new=OTHER.key), VERIFIER, NOW),
        "of another old persona": (replace(one, old=OTHER.key), VERIFIER, NOW),
        "with another end": (replace(one, expires=ENDS + 1), VERIFIER, NOW),
        "with another nonce": (replace(one, nonce=bytes(16)), VERIFIER, NOW),
        "of another network": (replace(one, network=bytes(32)), VERIFIER, NOW),
        "with another tag": (replace(one, tag=bytes(32)), VERIFIER, NOW),
        "too late": (one, VERIFIER, ENDS),
        "good for too long": (
            make(OLD, NEW.key, VERIFIER.key, NETWORK, NOW + PROOF_LIFE_MS + 1, lambda size: NONCE),
            VERIFIER,
            NOW,
        ),
        "about the verifier": (imitate(VERIFIER, OLD.key, VERIFIER.key, NETWORK, ENDS, NONCE), VERIFIER, NOW),
        "of one that is no key": (replace(one, old=bytes(32)), VERIFIER, NOW),
        "of a key outside the group of prime order": (replace(one, old=MIXED_ORDER), VERIFIER, NOW),
    }


@pytest.mark.parametrize("name", sorted(bad()))
def test_what_proves_nothing(name: str) -> None:
    """IDN-35, IDN-38"""
    proof, verifier, now = bad()[name]
    with pytest.raises(Reject) as caught:
        check(proof, verifier, now)
    assert caught.value.code in ("IDN-35", "IDN-38")


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_line_is_whole_or_refused(place: int, bit: int) -> None:
    """IDN-36: one bit turned anywhere never leaves a proof that holds."""
    line = bytearray(good().text().encode())
    line[place % len(line)] ^= 1 << bit
    with pytest.raises(Reject, match=r"IDN-3[568]"):
        check(Proof.parse(line.decode("latin-1"), NETWORK), VERIFIER, NOW)


@pytest.mark.parametrize("line", ["", "wltm-proof:", "wltm-mail:" + good().text()[11:], good().text()[:-4], "x" * 900])
def test_what_is_no_line(line: str) -> None:
    """IDN-36"""
    with pytest.raises(Reject, match="IDN-36"):
        Proof.parse(line, NETWORK)
    assert Proof.parse(good().text() + "\n", NETWORK) == good()
    with pytest.raises(Reject, match="IDN-36"):
        Proof.parse(good().text(), bytes(32))


def test_from_one_node_to_another() -> None:
    """IDN-35, IDN-39: proved, believed, ended, taken back; a third node is not convinced."""
    home, friend, third = Desk(OLD), Desk(VERIFIER), Desk(OTHER)
    key = home.ask(ask.MakePersona("new"))["key"]
    assert key == another(OLD, 1).persona.key
    line = home.ask(ask.Prove("one", "new", VERIFIER.key, ENDS))["proof"]
    with pytest.raises(CommandError, match="IDN-38"):
        third.ask(ask.TakeProof(line))
    assert friend.ask(ask.TakeProof(line)) == {"old": OLD.key, "new": key, "expires": ENDS}
    assert friend.ask(ask.AskPersonas())["proofs"] == [{"new": did(key), "old": did(OLD.key), "expires": ENDS}]
    core = friend.engine._core
    assert stands_for(core, OLD.key) == key
    said = [Evidence(VERIFIER.key, OLD.key, "member", "kept", bytes(32), NOW, NOW)]
    seen = graph(counted(core, said), NOW, heirs(core))
    assert standing(seen, VERIFIER.key, key).value > 0 == standing(seen, VERIFIER.key, OLD.key).value
    friend.ask(ask.DropProof(key))
    assert stands_for(core, OLD.key) == OLD.key
    friend.ask(ask.TakeProof(line))
    friend.now = ENDS
    friend.tick()
    assert friend.ask(ask.AskPersonas())["proofs"] == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (ask.Prove("one", "one", VERIFIER.key, ENDS), "IDN-35"),
        (ask.Prove("one", "nobody", VERIFIER.key, ENDS), "IDN-20"),
        (ask.Prove("one", "new", OLD.key, ENDS), "IDN-35"),
        (ask.Prove("one", "new", VERIFIER.key, NOW), "IDN-35"),
        (ask.Prove("one", "new", VERIFIER.key, NOW + 10 * PROOF_LIFE_MS), "IDN-35"),
        (ask.Prove("one", "new", bytes(32), ENDS), "IDN-35"),
        (ask.TakeProof("wltm-proof:"), "IDN-36"),
        (ask.TakeProof(good().text()), "IDN-38"),
        (ask.DropProof(OTHER.key), "IDN-39"),
    ],
)
def test_refusals(command: Any, code: str) -> None:
    """IDN-35, IDN-36, IDN-38, IDN-39"""
    home = Desk(OLD)
    home.ask(ask.MakePersona("new"))
    before = dict(home.facts)
    with pytest.raises(CommandError) as caught:
        home.ask(command)
    assert caught.value.code == code
    assert home.facts == before


def test_a_node_believes_so_many() -> None:
    """IDN-39"""
    friend = Desk(VERIFIER)
    for number in range(PROOFS_MAX + 1):
        new = number.to_bytes(32, "big")
        line = make(OLD, new, VERIFIER.key, NETWORK, ENDS, lambda size: bytes(size)).text()
        if number < PROOFS_MAX:
            friend.ask(ask.TakeProof(line))
    with pytest.raises(CommandError, match="IDN-39"):
        friend.ask(ask.TakeProof(line))


def vectors() -> dict[str, Any]:
    """A proof with what it is made of, and what proves nothing."""
    one = good()
    keys = {"old_seed": OLD.seed.hex(), "verifier_seed": VERIFIER.seed.hex(), "nonce": NONCE.hex(), "expires": ENDS}
    shown = {"network": NETWORK.hex(), "old": OLD.key.hex(), "new": NEW.key.hex(), "verifier": VERIFIER.key.hex()}
    made = {"shared": shared_key(OLD, VERIFIER.key).hex(), "tag": one.tag.hex(), "proof": one.text()}
    cases: list[dict[str, Any]] = [
        {"name": "a proof", "clause": "IDN-35", "input": keys | shown, "output": made},
        {
            "name": "the verifier accepts",
            "clause": "IDN-38",
            "input": {"proof": one.text(), "verifier_seed": VERIFIER.seed.hex(), "now": NOW},
            "output": shown | {"expires": ENDS},
        },
    ]
    for name, (proof, verifier, now) in sorted(bad().items()):
        given = {"proof": proof.text(), "verifier_seed": verifier.seed.hex(), "now": now}
        try:
            check(Proof.parse(proof.text(), NETWORK), verifier, now)
        except Reject as error:
            cases.append({"name": name, "clause": error.code, "input": given, "reject": error.code})
    return {"name": "carryover", "spec": "02-identity", "cases": cases}


def test_vectors() -> None:
    """The committed file is what the code makes."""
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == vectors()
