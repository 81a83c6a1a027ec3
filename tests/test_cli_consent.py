"""The command line of consent against nodes with real engines: terms, grants, the list of disclosures."""

from __future__ import annotations

from typing import Any

from node.cli.shell import USAGE
from tests.test_cli_supply import run as run  # the rig around a desk
from tests.test_consenting import meet
from tests.test_details import DEAL, HOME, M0, SELLER, desk

SHORT = DEAL.hex()[:8]


def test_terms_in_words(run: Any) -> None:
    """CLI-106, CNS-3"""
    rig = run(desk(M0))
    assert "What delivery needs." in rig("terms show basic")
    assert "alone" in rig("terms list")
    assert "Intents ask for basic" in rig("terms choose basic")
    assert [one["name"] for one in rig.json("terms list")["terms"] if one["chosen"]] == ["basic"]
    assert "not known here; there are alone, basic" in rig("terms choose everything", USAGE)
    assert "for nothing" in rig("terms choose")
    add = "intent add tea --category tea --region any --want 3 --spend 30 --by +10h --yes"
    assert "not known here" in rig(add + " --terms everything", USAGE)
    assert "stand there" not in rig(add + " --terms alone")
    near = rig(add.replace("add tea", "add near").replace("any", "u10hb") + " --terms alone")  # CNS-33
    assert "0 others stand there" in near
    assert {*map(tuple, (one["terms"] for one in rig.json("intent list")))} == {("alone",)}


def test_what_flows_is_said_before_it_does(run: Any) -> None:
    """CLI-105, CNS-14: to whom, what, for what, until when."""
    member, supplier = desk(M0), desk(SELLER)
    meet(member, supplier)
    rig = run(member)
    rig("details set --name Ada --address 'Here 1' --contact a@example.net")
    asked = rig(f"details send {SHORT}", USAGE)
    assert "Your address, contact, name, notes would go, sealed, to your supplier for billing, delivery" in asked
    rig(f"details send {SHORT} --yes")
    rows = rig.json("grant list")
    assert [one["state"] for one in rows] == ["agreed"]
    table = rig("disclosures")
    assert "your details, sealed" in table
    assert "the supplier of your agreement" in table
    assert {one["kind"] for one in rig.json("disclosures")} >= {"detail.1", "rel.1"}


def test_grants_are_given_taken_back_and_receipted(run: Any) -> None:
    """CLI-107, CNS-16 to CNS-19: nothing is signed without a yes."""
    member, supplier = desk(M0), desk(SELLER)
    meet(member, supplier)
    member.ask(HOME)
    rig = run(member)
    new = f"grant new {SHORT} --purpose offers --field contact --days 30"
    assert "may be used for offers" in rig(new, USAGE)
    assert "Signed:" in rig(new + " --yes")
    meet(member, supplier)
    shop = run(supplier)
    name = next(one for one in shop.json("grant list") if one["state"] == "offered")["grant"]
    assert "--yes" in shop(f"grant accept {name[:6]}", USAGE)
    assert "Agreed" in shop(f"grant accept {name[:6]} --yes")
    meet(member, supplier)
    assert "agreed" in run(member)("grant list")
    shop = run(supplier)
    assert "1 receipt" in shop(f"grant receipt {SHORT} --did offers --yes")
    rig = run(member)
    assert "cannot be given again" in rig(f"grant revoke {name[:6]}", USAGE).replace("\n", " ")
    assert "Taken back" in rig(f"grant revoke {name[:6]} --yes")
    meet(member, supplier)
    shop = run(supplier)
    assert "erased, in every copy" in shop(f"grant receipt {SHORT} --did erased", USAGE)
    assert "1 receipt" in shop(f"grant receipt {SHORT} --did erased --yes")
    meet(member, supplier)
    assert "erased" in run(member)("grant list")


def test_an_alternative_is_named_at_the_commitment(run: Any) -> None:
    """CLI-109: by option, and said before the signature."""
    rig = run(desk(M0))
    asked = rig(f"coop commit {SHORT} --terms alone", USAGE)
    assert "by alone, not by your own data terms" in asked
