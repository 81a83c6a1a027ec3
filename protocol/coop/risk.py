"""What members stand to lose in a co-op, and what its charter owes them for it.

Decides a charter's class of risk, what each class demands, and what of pledges and quotations keeps to the stakes that
the charter states; from integers that stand in charter and template, so the same at every node. Spec: 21-risk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protocol.coop.template import Template
from protocol.params import NEWCOMER_OUTCOMES, PERIOD_MS, RISK_LOW_MAX, STAKES_MAX

CLASSES = ("lowest", "low", "high")


@dataclass(frozen=True, slots=True)
class Stakes:
    """The most that one member's share comes to over the whole term, in minor units, and how much of it a supplier may
    ask for before it has delivered, in percent.
    """

    value_minor: int = STAKES_MAX
    prepaid_percent: int = 0

    def to_mapping(self) -> dict[str, int]:
        """How a charter and a request state it."""
        return {"value_minor": self.value_minor, "prepaid_percent": self.prepaid_percent}


ANY_STAKES = Stakes()


@dataclass(frozen=True, slots=True)
class Demands:
    """What a class of risk asks for at least, whatever else a charter says: co-signed outcomes and vouches of who is
    elected, mediators named in the charter, and whether newcomers are bounded.
    """

    outcomes: int
    vouches: int
    mediators: int
    newcomers_bounded: bool


DEMANDS: Mapping[str, Demands] = {  # RSK-3
    "lowest": Demands(0, 0, 0, False),
    "low": Demands(0, 0, 0, True),
    "high": Demands(NEWCOMER_OUTCOMES, 1, 1, True),
}


def stakes_of(body: Mapping[str, Any]) -> Stakes:
    """What a charter, or a request, states; without a word nothing is paid before it came (RSK-1)."""
    said = body.get("stakes")
    return Stakes() if said is None else Stakes(said["value_minor"], said["prepaid_percent"])


def months(template: Template) -> int:
    """The term in months, rounded up (RSK-2)."""
    return -(-template.periods * PERIOD_MS[template.period] // PERIOD_MS["MON"])


def risk_class(stakes: Stakes, template: Template) -> str:
    """Value × part paid before delivery × term, and the class that this comes to (RSK-2)."""
    if not stakes.prepaid_percent:
        return "lowest"
    exposed = stakes.value_minor * stakes.prepaid_percent * months(template)
    return "low" if exposed <= 100 * RISK_LOW_MAX else "high"


def shortfall(body: Mapping[str, Any], template: Template) -> str:
    """What a charter with this body lacks for its own stakes, in a sentence; "" when nothing (RSK-4)."""
    stakes = stakes_of(body)
    needed = risk_class(stakes, template)
    if CLASSES.index(body["risk"]) < CLASSES.index(needed):
        return (
            f"charter.risk: says {body['risk']}, but {stakes.prepaid_percent} % of up to {stakes.value_minor} paid"
            f" before delivery, over {months(template)} months, is {needed}"
        )
    if len(body.get("mediators", ())) < DEMANDS[body["risk"]].mediators:
        return f"charter.mediators: a charter of the risk {body['risk']} has to name one at least"
    return ""


def keeps_to_stakes(numbers: Mapping[str, Any], stakes: Stakes, periods: int) -> bool:
    """Whether what a member pledges for, or steps in with, cannot come to more than the charter says (RSK-5)."""
    most = (numbers["want"] + numbers["tolerate"]) * numbers["price_max_minor"] * periods
    return bool(most <= stakes.value_minor)
