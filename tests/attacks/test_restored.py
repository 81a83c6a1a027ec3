"""A device that was restored between two moments of a deal: which slots its forebear may have filled (18-keeping)."""

from __future__ import annotations

import pytest

from protocol import commands as ask
from protocol.coop.coop import question_name
from protocol.engine.silence import FACT, Keeping
from protocol.errors import CommandError
from tests.deals import Handmade
from tests.stages import Desk, at


def restored(made: Handmade, late: bool) -> tuple[Desk, ask.Attest]:
    """A member's new device beside a signed deal: restored after the agreement was certified, or (late) before it."""
    member = made.members[0]
    plain = at(made, "countersigned", member)
    core = plain.engine._core
    deal = next(one for context in core.contexts.values() if (one := context.deal(core.settings)) is not None)
    agreed, signed = (deal.decided[question_name(base, deal.rfq.id)].when for base in ("commitments", "signatures"))
    assert agreed < signed
    used = agreed - 1 if late else signed - 1
    facts = {FACT: Keeping(alone_from=used, used_until=used).to_bytes()}
    desk = at(made, "countersigned", member, facts=facts)
    return desk, ask.Attest(deal.mandate.deal, deal.agreements[0].supplier, "supplier", "kept", {}, "")


def test_no_second_attestation_after_a_later_certificate() -> None:
    """KEP-14: the old device may have attested since the agreement; that the signatures were certified afterwards opens
    no slot anew."""
    desk, attest = restored(Handmade(), late=False)
    with pytest.raises(CommandError, match="KEP-14"):
        desk.ask(attest)
    assert not desk.said("attestation.1")


def test_what_was_agreed_after_the_restore_is_attested() -> None:
    """KEP-14: the control: nobody could have signed it before."""
    desk, attest = restored(Handmade(), late=True)
    desk.ask(attest)
    assert desk.said("attestation.1")
