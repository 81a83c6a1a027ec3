"""What each kind of record tells about the person who signs it, and whom.

Decides that from the kind alone; never what was said. Whoever adds a kind adds its line: a kind without one is shown as
unknown, and a test fails. Spec: 20-consent, CNS-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

AUDIENCES: Mapping[str, str] = {
    "anyone": "anybody",
    "coop": "the members and witnesses of the co-op",
    "deal": "the members, witnesses and suppliers of the deal, and the relays that carry it",
    "supplier": "the supplier of your agreement",
    "later": "nobody yet; the deal's members once the witnesses have opened the box",
    "parties": "the other side of the case, and its mediator",
    "recipient": "whoever gave you the token",
    "verifier": "the one who asked",
    "relays": "the relays that this node is linked to",
}


@dataclass(frozen=True, slots=True)
class Told:
    """`what` a record of a kind tells, and `to` whom (a name of AUDIENCES); `duty`: nothing but that its author serves,
    and when its node was awake."""

    what: str
    to: str
    duty: bool = False


def _duties(to: str, kinds: str) -> dict[str, Told]:
    return {f"{kind}.1": Told("that you serve there, and when your node was awake", to, True) for kind in kinds.split()}


KINDS_TOLD: Mapping[str, Told] = {
    # on boards and trust scopes
    "persona.1": Told("that this persona exists", "anyone"),
    "device.1": Told("which of your devices signs for this persona", "anyone"),
    "freeze.1": Told("that this persona is frozen", "anyone"),
    "succession.1": Told("which persona follows this one", "anyone"),
    "intent.1": Told("what you would like: quantity, spending, readiness, levels", "anyone"),
    "profile.1": Told("that you sell there, under a name", "anyone"),
    "pledge-marker.1": Told("that your intent is pledged", "anyone"),
    "commitment-marker.1": Told("that your intent is used up", "anyone"),
    "attestation.1": Told("how somebody kept their word to you, with both signatures", "anyone"),
    "unheard.1": Told("that you had a deal with somebody, who did not answer you", "anyone"),
    "amends.1": Told("that somebody made good to you", "anyone"),
    "vouch.1": Told("that you vouch for somebody", "anyone"),
    "fault.1": Told("that you saw somebody sign twice", "anyone"),
    "default.1": Told("that you saw a quotation sealed wrongly", "anyone"),
    "mediator.1": Told("that you would mediate, and in which languages", "anyone"),
    "summons.1": Told("that you called a mediator, sealed to it", "anyone"),
    "policy.1": Told("your relay's contact, languages and limits", "anyone"),
    "notice.1": Told("whom your relay does not carry, and why", "anyone"),
    "mail.1": Told("a letter, sealed, under a name used once", "recipient"),
    # in a co-op
    "charter.1": Told("that you founded a co-op, and its terms", "coop"),
    "call.1": Told("that you founded a co-op, and whom it lists", "anyone"),
    "accept.1": Told("that you are its witness", "coop"),
    "join.1": Told("that you joined, with your intent, conditions and the evidence attached", "coop"),
    "leave.1": Told("that you left, and why", "coop"),
    "successor.1": Told("that you propose another co-op", "coop"),
    "pledge.1": Told("how much you would take at which price", "coop"),
    "nomination.1": Told("your interests and fee, with the evidence attached", "coop"),
    "ballot.1": Told("how you voted, sealed until the box closes", "coop"),
    "adoption.1": Told("which suggestions you adopt", "coop"),
    "answer.1": Told("which suppliers you would have", "coop"),
    "recall.1": Told("that you recalled the negotiator, and why", "coop"),
    "deal.1": Told("that you negotiate for the co-op", "coop"),
    "mandate.1": Told("that you negotiate for the co-op", "deal"),
    # in a deal
    "headline.1": Told("that you ask suppliers for a co-op", "anyone"),
    "rfq.1": Told("that you ask suppliers for a co-op", "deal"),
    "query.1": Told("a question of yours", "deal"),
    "reply.1": Told("a reply of yours", "deal"),
    "suggestion.1": Told("what you would change in the request", "deal"),
    "counter.1": Told("what you would pay instead", "deal"),
    "quotation.1": Told("your offer, sealed until the box closes", "deal"),
    "commitment.1": Told("that you are bound or decline, to how much at which price", "deal"),
    "countersign.1": Told("that you deliver", "deal"),
    "event.1": Told("what was delivered or paid", "deal"),
    "cancel.1": Told("that you ended your share, and why", "deal"),
    "substitute.1": Told("what you would deliver instead", "deal"),
    "consent.1": Told("whether you take another article", "deal"),
    "renewal.1": Told("whether you would go on", "deal"),
    "assessment.1": Told("how they kept their word, sealed", "later"),
    "message.1": Told("a message in the channel", "supplier"),
    "intake.1": Told("where details are to be sealed to", "deal"),
    "detail.1": Told("your details, sealed", "supplier"),
    "rel.1": Told("which of your details may be used, for what and until when", "deal"),
    "revoke.1": Told("that you took that leave back", "deal"),
    "usage.1": Told("what you did with a member's details", "deal"),
    # in a case
    "voice.1": Told("what went wrong for you, sealed", "parties"),
    "words.1": Told("what you say in a case, sealed", "parties"),
    "plan.1": Told("how it is to be made good, sealed", "parties"),
    "step.1": Told("how far a remedy has come", "parties"),
    "naming.1": Told("whom you would accept as a mediator, hidden", "parties"),
    "named.1": Told("whom you would accept as a mediator", "parties"),
    "handover.1": Told("the case's words, sealed to the mediator", "parties"),
    # envelopes and duties
    **_duties("coop", "receipt proposal vote unopened opening heartbeat lease end count"),
    **_duties("deal", "reveal release"),
    **_duties("coop", "epoch sealed locked unlock"),
}
UNKNOWN = Told("something that this version has no words for", "anyone")


def told(kind: str) -> Told:
    """What a record of this kind tells, and whom."""
    return KINDS_TOLD.get(kind, UNKNOWN)
