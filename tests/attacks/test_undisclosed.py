"""What somebody disclosed without signing it at that moment is on their list all the same (20-consent)."""

from __future__ import annotations

from tests.sealed_words import SETTLE_MS, Table, member, supplier


def test_an_attestation_that_was_opened_is_remembered() -> None:
    """CNS-22: it was sealed once and is public now; the list says so for good, whoever opened it."""
    table = Table()
    table.attest(member(), supplier(), "supplier", "broken")
    table.attest(supplier(), member(), "member")
    table.talk(SETTLE_MS)
    for who in (member(), supplier()):
        assert table.public(who)
        kept = table.desks[who.key].engine._core.facts
        assert [name for name in kept if name.startswith(f"told/{who.key.hex()}/attestation.1/")]
