"""How a deal stands, in words: what happened, whose silence it was, and what a member or supplier can do now.

Decides words only, and changes nothing. Spec: 09-accountability, AGR-21 and AGR-22.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from protocol.coop.box import Question
from protocol.coop.template import money
from protocol.deal.award import Award, Fallen
from protocol.deal.fulfilment import Account
from protocol.deal.life import Deal, stuck

_NAMED_MAX = 5  # names in one sentence, claims in one telling
_FREE = "Your pledge is free: found or join the next co-op."
_OPEN = {
    "suggestions": "Members and suppliers may suggest changes of the request until the box closes; else it stands.",
    "revision": "The members adopt what was suggested or not; then suppliers quote for what they made of it.",
    "quotations": "Suppliers may quote, sealed, until the box closes; who is silent makes no offer.",
    "reveals": "The quotations are being opened; whose does not open makes no offer.",
    "finals": "Suppliers may better their quotations once, sealed, until the box closes; else the first ones stand.",
    "final-reveals": "The last words are being opened; whose does not open keeps to the first quotation.",
    "answers": "Members' nodes answer which quotations together serve them best; the best answer by the rule counts.",
    "award": "The witnesses compute the award; more than a third of them silent, and nothing is decided.",
    "commitments": "Each member with a lot commits or declines until the box closes; who is silent is left out.",
    "repairs": "Who has a lot or got none may step in until the box closes; who is silent keeps to what they said.",
    "signatures": "The supplier is to countersign until the box closes; the quotation binds it meanwhile.",
}


def told(deal: Deal, now: int, currency: str = "") -> tuple[str, ...]:
    """The state in sentences, what matters most first."""
    if deal.open and stuck(deal, now):
        return (_stuck(deal.open[0]), _FREE)
    match deal.state:
        case "void":
            return (_void(deal), _FREE)
        case "repairing":
            return (*(fell(one, currency) for one in deal.fallen), _OPEN["repairs"])
        case "agreed":
            return (_agreed(deal, currency), _OPEN["signatures"])
        case "defaulted":
            names = _names(one.supplier for one in deal.agreements)
            return (
                f"{names} did not countersign in time: a default. The quotation binds while it is valid.",
                "Hold them to it, or say so with `wltm coop attest`; or found the next co-op, your pledge is free.",
            )
        case "countersigned" | "delivered" | "cancelled" | "ended":
            return _after(deal, currency)
    return tuple(_OPEN[base] for base in _bases(deal.open) if base in _OPEN)


def _after(deal: Deal, currency: str) -> tuple[str, ...]:
    """What came of the agreements so far."""
    lines = [_agreed(deal, currency)]
    unsigned = [one.supplier for one in deal.agreements if not one.signed]
    if unsigned:
        lines.append(f"{_names(unsigned)} did not countersign in time: a default towards those in its part.")
    accounts = [line for one in deal.agreements for line in one.accounts]
    short = [line for line in accounts if not line.fulfilled]
    match deal.state:
        case "delivered":
            lines.append("Everybody has got what is owed to them.")
        case "cancelled":
            lines.append("Every share was cancelled by the agreed terms.")
        case "ended":
            lines.append(f"The term is over; {_names(line.member for line in short)} got less than was owed.")
            lines.append("What is missing is a claim against the supplier: say so with `wltm coop attest`.")
        case _:
            lines.append(f"{len(accounts) - len(short)} of {len(accounts)} members have got all that is owed.")
    left = [line for line in accounts if line.cancelled_by]
    if left:
        owed = sum(line.owed for line in left)
        names = _names(line.member for line in left)
        lines.append(f"The shares of {names} ended early by the agreed terms; {owed} units stay owed.")
    claims = [claim for line in accounts if (claim := _claim(line))]
    lines += claims[:_NAMED_MAX]
    if len(claims) > _NAMED_MAX:
        lines.append(f"And {len(claims) - _NAMED_MAX} more claims: `wltm deal show` has them all.")
    if "renewals" not in _bases(deal.open) and deal.renewals:
        said = [one.body["answer"] for one in deal.renewals]
        counts = ", ".join(f"{said.count(name)} {name}" for name in ("renew", "change", "leave"))
        lines.append(f"In the poll: {counts}. `wltm coop succeed` founds the next co-op with those who go on.")
    return tuple(lines)


def _claim(line: Account) -> str:
    """Where the two sides differ."""
    if "delivery" in line.contested:
        return (
            f"{_name(line.member)} says they got {line.received}, the supplier says {line.delivered}: a claim until one"
            " of them corrects it."
        )
    if "payment" in line.contested:
        return f"{_name(line.member)} says {line.paid} are paid, the supplier says {line.credited}."
    return ""


def _void(deal: Deal) -> str:
    """Why nothing came of it, and whose silence it was."""
    if not deal.quotations:
        return "No supplier quoted: the box closed empty."
    if not deal.award and not deal.reveals:
        return f"None of the {len(deal.quotations)} quotations could be opened in time."
    if deal.award is None:
        return "No quotation fits what the members asked for; each was refused by a clause that is shown."
    return f"No rung of the awarded ladder stands: {_answers(deal, deal.award)}."


def _answers(deal: Deal, award: Award) -> str:
    said = {one.author: one.body["answer"] for one in deal.commitments}
    silent = [member for member in award.members if member not in said]
    counts = [list(said.values()).count(answer) for answer in ("commit", "decline")]
    words = f"{counts[0]} committed, {counts[1]} declined"
    return words + (f", {_names(silent)} said nothing" if silent else "")


def _agreed(deal: Deal, currency: str) -> str:
    parts = [
        f"{one.allocation.quantity} units a period at {money(one.allocation.unit_price_minor, currency)} each"
        f" for {len(one.allocation.shares)} members from {_name(one.supplier)}"
        for one in deal.agreements
    ]
    who = f"; {_answers(deal, deal.award)}" if deal.award is not None else ""
    return f"Agreed: {'; '.join(parts)}{who}."


def fell(one: Fallen, currency: str) -> str:
    """Which rung fell, by how much, and what stands instead."""
    price = money(one.part.unit_price_minor, currency)
    instead = f"{money(one.unit_price_minor, currency)} stands" if one.unit_price_minor else "nothing stands"
    return (
        f"{_name(one.part.supplier)}'s price of {price} needs {one.minimum} units; {one.ordered} came together, so"
        f" {instead} unless others step in."
    )


def _stuck(question: Question) -> str:
    base = question.name.partition("/")[0]
    return (
        f"Too few witnesses have answered on {base} for two weeks: nothing can be decided here any more. Nobody is"
        " bound by what was not decided."
    )


def _bases(questions: Sequence[Question]) -> list[str]:
    return [one.name.partition("/")[0] for one in questions]


def _name(key: bytes) -> str:
    return key.hex()[:8]


def _names(keys: Iterable[bytes]) -> str:
    names = [_name(key) for key in keys]
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(names[:_NAMED_MAX]) + more
