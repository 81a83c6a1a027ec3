"""`wltm template` and `wltm prefer`: what they say, what reaches the node, how they fail (CLI-50, CLI-51)."""

import json
from pathlib import Path
from typing import Any

import pytest

from node.cli.prefer import card_text, preference_text
from node.cli.shell import NOT_NOW, USAGE, WRONG
from node.template import FOLDER, categories, load, tell
from protocol import commands as c
from protocol.errors import CommandError, NotNow
from tests.test_cli import Rig, Terminal
from tests.test_cli import rig as rig


def card(number: int = 0, **more: Any) -> dict[str, Any]:
    """Two products that differ in price and origin, and not in term."""
    names = {"price": ("pence per kWh", "KWH"), "years": ("years of contract", "ANN"), "local": ("from here", "C62")}
    attributes = [{"name": name, "label": label, "unit": unit} for name, (label, unit) in names.items()]
    products = [{"price": 22.5, "years": 1.0, "local": 0.0}, {"price": 26.0, "years": 1.0, "local": 1.0}]
    found = {"category": "electricity", "number": number, "of": 8, "done": False}
    return found | {"attributes": attributes, "alternatives": products} | more


def kept(**more: Any) -> dict[str, Any]:
    one = {"name": "local", "label": "from here", "weight": 1.0, "level": 1, "words": "From here matters to you."}
    found = {"category": "electricity", "title": "Power", "answered": 3, "of": 8, "words": [one["words"]]}
    return found | {"attributes": [one | {"correction": "1 × more"}], "leaves": "Others see little."} | more


@pytest.fixture
def member(rig: Rig) -> Rig:
    rig.node.answers |= {c.AskCard: card(), c.AskPreference: kept(), c.AnswerCard: kept(), c.CorrectPreference: kept()}
    rig.node.answers[c.ForgetPreference] = kept(words=[])
    return rig


# Templates.


def test_templates_are_listed_and_shown_without_a_node(rig: Rig) -> None:
    """CLI-50: as words, and with --json as the map that is hashed, and its hash."""
    assert [row["category"] for row in rig.json("template list")] == list(categories())
    for category in categories():
        assert rig(f"template show {category}") == tell(load(category)) + "\n"
        found = rig.json(f"template show {category}")
        assert found.pop("hash") == load(category).hash.hex()
        assert found == json.loads(json.dumps(load(category).to_mapping()))
    assert "anything, broadband" in rig("template show steam", USAGE)
    assert rig.node.submitted == []


def test_words_of_a_template() -> None:
    """CLI-50: the total over the horizon, tax, charges, what counts and what does not."""
    power, thing = tell(load("electricity")), tell(load("anything"))
    assert "offers are compared over 60 months" in power
    assert "gross of taxes (lower rate at 5 %)" in power
    assert "standing charge, every month, from GBP 0.00 to GBP 200.00 a member" in power
    assert "one more of it is GBP 0.10 more a unit" in power
    assert "Ranked by what all who are served pay over 60 months, charges included" in power
    assert "An intent names its subject" in thing
    assert "kilometres from the seller (distance_km): 0 to 20000 km, less is better; does not count" in thing


def test_a_template_of_ones_own_is_checked(rig: Rig, tmp_path: Path) -> None:
    """CLI-50: well formed, or exit 1 with the clause and the field; and then the home knows it."""
    own = tmp_path / "templates"
    own.mkdir()
    text = (FOLDER / "mobile.toml").read_text(encoding="utf-8").replace('"mobile"', '"pagers"')
    (own / "pagers.toml").write_text(text, encoding="utf-8")
    assert "Well formed" in rig(f"template check {own / 'pagers.toml'}")
    assert "pagers" in [row["category"] for row in rig.json("template list")]
    bad = tmp_path / "bad.toml"
    bad.write_text(text.replace("tax_hundredths = 2000", "tax_hundredths = 0"), encoding="utf-8")
    assert "bad.toml: template.tax_hundredths" in rig(f"template check {bad}", WRONG)
    assert rig.json(f"template check {bad}", WRONG)["error"]["code"] == "TPL-10"
    assert "cannot be read" in rig(f"template check {tmp_path / 'none.toml'}", WRONG)


# Cards.


def test_a_card_is_a_table_of_what_differs() -> None:
    """CLI-51."""
    lines = card_text(card(2)).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["card 3 of 8", "pence per kWh", "from here"]
    assert lines[1].split()[-2:] == ["22.5", "26"]
    assert lines[2].split()[-2:] == ["no", "yes"]


def test_steps_for_programs(member: Rig) -> None:
    """CLI-51: one card, one answer, one correction at a time."""
    assert member.json("prefer electricity --card")["number"] == 0
    member.json("prefer electricity --choose b")
    assert c.AnswerCard("electricity", 0, 1) in member.node.submitted
    assert member.json("prefer electricity --correct local=more")["answered"] == 3
    assert c.CorrectPreference("electricity", "local", "more") in member.node.submitted
    member.json("prefer electricity --again")
    assert c.ForgetPreference("electricity") in member.node.submitted
    assert member.json("prefer electricity")["leaves"] == "Others see little."


def test_what_is_no_answer(member: Rig) -> None:
    """CLI-51, CLI-3."""
    for letter in ("c", "1", "''", "ab"):
        assert "must be one of A, B" in member(f"prefer electricity --choose {letter}", USAGE)
    member.node.answers[c.AskCard] = card(done=True, alternatives=[])
    assert "no card is open" in member("prefer electricity --choose a", USAGE)
    assert member("prefer electricity --card") == "No card is open.\n"
    member.node.refuse[c.CorrectPreference] = CommandError("PRF-16", "word: must be one of more, less")
    assert "must be one of" in member("prefer electricity --correct local=much", USAGE)
    member.node.refuse[c.CorrectPreference] = NotNow("PRF-16", "correct: there is nothing to correct yet")
    assert "nothing to correct" in member("prefer electricity --correct local=more", NOT_NOW)


def test_a_person_is_asked_card_after_card(member: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-51: what is no letter is asked again; an empty line ends it; then everything is said in words."""
    monkeypatch.setattr("sys.stdin", Terminal("x\na\nB\n\n"))
    said = member("prefer electricity")
    assert member.node.submitted.count(c.AnswerCard("electricity", 0, 0)) == 1
    assert member.node.submitted.count(c.AnswerCard("electricity", 0, 1)) == 1
    assert "From here matters to you. (by your word: 1 × more)" in said
    assert "Others see little." in said


def test_before_anything_is_known() -> None:
    """CLI-51."""
    assert "Nothing is known yet" in preference_text(kept(words=[], answered=0))
