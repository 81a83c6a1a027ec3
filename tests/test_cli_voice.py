"""The command line of voices, cases and mediation against nodes with real engines; nothing is signed without a yes."""

from __future__ import annotations

from typing import Any

from node.cli.shell import NOT_NOW, USAGE
from node.cues import cue
from node.present import moment
from protocol import commands as ask
from protocol.identity import Persona, did
from tests.remedies import EVE, MEDIATORS, VOICE_MS
from tests.test_cli_supply import run as run  # the rig around a desk
from tests.test_voice import SUPPLIER, Table, deal, member

ANN, LENA = member(), MEDIATORS[0]
SHORT = deal().hex()[:8]


class Around:
    """A table of nodes, each with its own terminal."""

    def __init__(self, run: Any) -> None:
        self.run, self.table = run, Table(ANN, SUPPLIER)
        self.table.guest(LENA)
        for who in (ANN, SUPPLIER):
            self.table.of(who).ask(ask.Watch("tea", "any"))

    def __call__(self, who: Persona, line: str, code: int = 0) -> str:
        """One line typed by somebody a second later, and heard by all."""
        self.table.later(1_000)
        said: str = self.run(self.table.of(who))(line, code)
        self.table.settle()
        return said

    def signs(self, who: Persona, line: str, warning: str) -> str:
        """A line that asks before it signs."""
        assert warning in self(who, line, USAGE).replace("\n", " ")
        return self(who, line + " --yes")


def test_from_voice_to_confirmation_by_hand(run: Any) -> None:
    """CLI-100, CLI-101, CLI-102, CLI-103, CLI-4"""
    at = Around(run)
    offer = "mediate offer --category tea --region any --language en 'I listen.'"
    at.signs(LENA, offer, "tells everybody that you would mediate")
    raised = f"voice raise {SHORT} 'Nothing came.' --code missing --wish deliver"
    assert "raised; " in at.signs(ANN, raised, "sealed, what is wrong")
    (row,) = at.table.of(ANN).ask(ask.AskVoices())
    name = row["voice"].hex()[:6]
    assert "waits for an answer" in at(SUPPLIER, "voice list")
    (need,) = [one for one in at.table.of(SUPPLIER).ask(ask.AskNeeds()) if one["kind"] == "voice"]
    assert f"wltm voice say {row['voice'].hex()[:8]}" in cue({"kind": "voice", "voice": need["voice"].hex()})
    assert cue({"kind": "remedy", "voice": "81d0", "index": 1}) == "wltm case done 81d0 --remedy 1"
    assert "[missing, would like: deliver]: Nothing came." in at(SUPPLIER, f"case show {name}")
    at.signs(SUPPLIER, f"voice say {name} 'We will see.'", "answers, sealed")
    at.signs(ANN, f"voice doubt {name} empty", "the answer is empty")
    assert "the answer is empty" in at(SUPPLIER, "voice list")
    at(ANN, f"case pulse {name} opening 2 'Tired of waiting.'")
    at.signs(ANN, f"case open {name}", "it ends by its deadlines")
    assert did(LENA.key) in at(ANN, "mediate list")
    at.signs(ANN, f"case name {name} {did(LENA.key)} {did(EVE.key)}", "2 mediators whom you would accept")
    at.signs(SUPPLIER, f"case name {name} {LENA.key.hex()}", "1 mediator whom you would accept")
    at.signs(LENA, f"mediate accept {name}", "accepts to mediate")
    shown = at(LENA, f"case show {name}")
    assert "Nothing came." in shown
    assert "at the opening: 2 Tired of waiting." in shown
    due = moment(at.table.of(ANN).now + 3_600_000).replace(" ", "T")
    at.signs(ANN, f"case plan {name} 'As ordered.' --follow 0 --remedy them=deliver={due}", "It binds once both agree")
    (plan,) = at.table.of(ANN).ask(ask.AskVoice(row["voice"]))["plans"]
    at.signs(SUPPLIER, f"case agree {name} {plan['plan'].hex()[:6]}", "binds you to the plan")
    at.signs(SUPPLIER, f"case done {name}", "you did remedy 0")
    at.signs(ANN, f"case contest {name}", "contests remedy 0")
    assert "remedy 0 (deliver): contested" in at(ANN, f"case show {name}")
    at.signs(ANN, f"case confirm {name}", "confirms remedy 0")
    assert "was put right" in at(SUPPLIER, f"case show {name}")
    at.signs(ANN, f"case follow {name} fine", "it is fine")
    assert "1 of 1 that came to an end was put right" in at(ANN, f"relationship {did(SUPPLIER.key)}")
    at.signs(ANN, f"voice end {name} settled", "your voice is settled")


def test_who_declines_is_passed_by(run: Any) -> None:
    """CLI-100, CLI-103"""
    at = Around(run)
    at(LENA, "mediate offer --category tea --region any --yes")
    at(ANN, f"voice raise {SHORT} x --code late --wish explain --yes")
    (row,) = at.table.of(ANN).ask(ask.AskVoices())
    name = row["voice"].hex()
    at.table.later(VOICE_MS)
    at.signs(ANN, f"voice tell {name}", "that they did not answer you in time")
    at(ANN, f"case open {name} --yes")
    for who in (ANN, SUPPLIER):
        at(who, f"case name {name} {did(LENA.key)} --yes")
    at.signs(LENA, f"mediate decline {name}", "declines to mediate")
    assert "ended without a mediator" in at(ANN, "voice list")
    assert "not asked to mediate now" in at(LENA, f"mediate accept {name} --yes", NOT_NOW)
    at.signs(LENA, "mediate offer --category tea --region any --withdraw", "you no longer mediate")


def test_what_is_typed_wrong_is_told_in_a_sentence(run: Any) -> None:
    """CLI-100, CLI-102, CLI-3"""
    at = Around(run)
    assert "Nobody has raised a voice." in at(ANN, "voice list")
    assert "there is none here" in at(ANN, "case show ff", USAGE)
    assert "bored" in at(ANN, f"voice raise {SHORT} x --code bored --wish refund", USAGE)
    at(ANN, f"voice raise {SHORT} x --code late --wish refund --yes")
    name = at.table.of(ANN).ask(ask.AskVoices())[0]["voice"].hex()
    assert "such as them=deliver=+7d" in at(ANN, f"case plan {name} x --remedy them=+7d --yes", USAGE)
    assert "deal is at its end" in at(ANN, "coop health -", NOT_NOW)
