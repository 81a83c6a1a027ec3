"""The command line of personas against nodes with real engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node import keystore
from node.cli.shell import USAGE, Stop
from node.cli.words import Pair, recovery_pair
from protocol import commands as ask
from protocol.events import RecordReceived
from protocol.identity import Persona, did
from protocol.record.record import Record
from protocol.trust.carryover import make
from protocol.trust.succession import read
from tests.deals import NETWORK, START_MS
from tests.stages import Desk, another
from tests.test_cli_supply import run as run  # the rig around a desk

WORDS = "legal winner thank year wave sausage worth useful legal winner thank yellow"
OTHER_WORDS = "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"
ME, FRIEND = (Persona.from_seed(bytes([number]) * 32) for number in (21, 22))
ADD = "intent add tea --category tea --region any --want 3 --spend 30 --by +10h --terms none --yes"


def stolen(number: int = 2) -> Pair:
    """A persona whose device is gone; its owner has the words."""
    persona, recovery = list(keystore.pairs_of(WORDS, NETWORK))[number]
    return Pair(persona, recovery)


def test_names_and_who_acts(run: Any) -> None:
    """CLI-95, IDN-20, IDN-21"""
    rig = run(Desk(ME, recovery={ME.key: bytes(32)}))
    assert "one acts" in rig("persona list")
    key = another(ME, 1).persona.key
    assert did(key) in rig("persona new garden")
    assert "is taken" in rig("persona new garden", USAGE)
    rig(ADD + " --as garden")
    assert "there is none called 'nobody'" in rig(f"vouch {did(FRIEND.key)} --as nobody --yes", USAGE)
    rows = {row["name"]: row for row in rig.json("persona list")["personas"]}
    assert (rows["garden"]["intents"], rows["garden"]["known"], rows["one"]["known"]) == (["tea"], True, False)
    assert "each category" in rig("persona use per-circle")
    assert "each category of things has a persona" in rig("persona list")
    assert "intents: tea" in rig("persona show gar")
    assert rig.json("persona list")["room"] == 62


def test_what_links_is_said(run: Any) -> None:
    """CLI-96"""
    rig = run(Desk(ME, recovery={ME.key: bytes(32)}))
    rig("persona use per-deal")
    rig(ADD)
    assert "nothing to link" in rig("persona report")
    rig(ADD.replace("add tea", "add more").replace("any", "u10"))
    said = rig("persona report")
    assert "one and more: their nearest stamps are no minute apart" in said
    assert "They say the same of: spend_minor, want." in said


@pytest.mark.parametrize("heir", [False, True])
def test_a_persona_is_frozen_from_a_friends_node(run: Any, tmp_path: Path, heir: bool) -> None:
    """CLI-97, IDN-26: the words go no further than the command."""
    pair, desk = stolen(), Desk(FRIEND)
    desk.ask(ask.AskRecovery(pair.persona.key))
    desk.do(RecordReceived(Record.parse(pair.first(NETWORK, START_MS), NETWORK), ""))
    rig, file = run(desk), tmp_path / "words"
    rig("persona new fresh")
    line = f"persona succeed {did(pair.persona.key)} --as fresh" if heir else f"persona freeze {did(pair.persona.key)}"
    file.write_text(OTHER_WORDS)
    assert "not those of this persona" in rig(f"{line} --words-file {file} --yes", USAGE)
    file.write_text(WORDS.replace("yellow", "winner"))
    assert "words" in rig(f"{line} --words-file {file} --yes", USAGE)
    file.write_text(WORDS + "\n")
    assert "for ever" in rig(f"{line} --words-file {file}", USAGE), "it asks first"
    assert not desk.said("freeze.1") + desk.said("succession.1")
    assert "is frozen" in rig(f"{line} --words-file {file} --yes")
    (record,) = desk.said("freeze.1") + desk.said("succession.1")
    assert (record.kind == "succession.1") is heir
    assert read(record, NETWORK).author == pair.persona.key
    kept = b"".join([*(one.raw for one in desk.records.values()), *desk.facts.values()])
    assert not [one for one in (pair.recovery.seed, pair.persona.seed, WORDS.encode()) if one in kept]


def test_whose_words_they_are() -> None:
    """CLI-97: a first record is made anew where every copy is lost, and contradicts none (IDN-29)."""
    pair = stolen()
    assert recovery_pair(WORDS, NETWORK, pair.persona.key) == pair
    with pytest.raises(Stop, match="not those of this persona"):
        recovery_pair(WORDS, NETWORK, FRIEND.key)
    first = pair.first(NETWORK, START_MS)
    asked = {"now": START_MS}
    assert read(Record.parse(pair.record(NETWORK, first, asked), NETWORK), NETWORK).raw == first


def test_a_line_for_one(run: Any) -> None:
    """CLI-98, IDN-36"""
    rig = run(Desk(ME))
    rig("persona new garden")
    line = rig(f"persona prove --from one --as garden --to {did(FRIEND.key)} --until 2027-02-01")
    assert line.startswith("wltm-proof:")
    assert "two different personas" in rig(f"persona prove --from one --as one --to {did(FRIEND.key)}", USAGE)
    ends = START_MS + 10**6
    line = make(FRIEND, stolen().persona.key, ME.key, NETWORK, ends, lambda size: bytes(size)).text()
    new = stolen().persona.key
    assert "is who was" in rig(f"persona check {line}")
    assert "stands for" in rig("persona list")
    assert "not a whole one" in rig(f"persona check {line[:-6]}", USAGE)
    assert "stands for nobody else" in rig(f"persona forget {did(new)}")
    assert rig.json("persona list")["proofs"] == []


def test_looking_for_all(run: Any) -> None:
    """CLI-99, IDN-40"""
    rig = run(Desk(ME))
    assert "Looking for your personas: numbers 0 to 20, 1 known; 0 relays" in rig("persona find")
    assert "Looking for your personas" in rig("persona list")
    assert "Nothing is being looked for" in rig("persona find --stop")
