"""What a member may type for each thing that waits, the same on the terminal and on the page.

Decides words only: a line with the need's own ids in it, capitals where the member's own choice goes. Spec: 13-node,
CLI-59.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from node.present import short

# Kind of need -> what may be typed; {where} is its co-op or else its deal, the others are fields of the need.
_CUES: Mapping[str, str] = {
    "pledge": "wltm coop pledge {where} --want UNITS --price-max AMOUNT",
    "stand": "wltm coop stand {where} --fee AMOUNT --statement 'WHY YOU'",
    "vote": "wltm coop vote {where} CANDIDATE…, best first",
    "rfq": "wltm rfq {where}",
    "reply": "wltm deal talk {where}, then wltm deal reply {where} QUESTION 'YOUR REPLY'",
    "adopt": "wltm deal talk {where}, then wltm deal adopt {where} SUGGESTION…",
    "counter": "wltm deal counter {where} SUPPLIER --price AMOUNT --quantity UNITS",
    "final": "wltm deal final {where} --rung QUANTITY=PRICE",
    "commit": "wltm coop commit {where}, or wltm coop decline {where} --reason WORD",
    "repair": "wltm deal repair {where}",
    "details": "wltm details set --name NAME --address ADDRESS once, then wltm details send {deal}",
    "grant": "wltm grant accept {grant}",
    "erase": "wltm grant receipt {deal} --did erased",
    "consent": "wltm deal consent {where} {substitute}, with --refuse to keep what was agreed",
    "attest": "wltm coop attest {where} {subject} --role {role} --outcome kept, or broken",
    "voice": "wltm case show {voice}, then wltm voice say {voice} 'YOUR ANSWER'",
    "case": "wltm case open {voice}, or wltm voice tell {voice}, for all to see",
    "name": "wltm mediate list, then wltm case name {voice} DID…",
    "mediate": "wltm case show {voice}, then wltm mediate accept {voice}, or wltm mediate decline {voice}",
    "agree": "wltm case show {voice}, then wltm case agree {voice} {plan}",
    "remedy": "wltm case done {voice} --remedy {index}",
    "confirm": "wltm case confirm {voice} --remedy {index}, or wltm case contest with the same",
    "follow": "wltm case follow {voice} fine, or again",
    "vanish": "wltm vanish --cancel",
    "device": "wltm device, then wltm device go-on, or wltm device retire",
    "renewal": "wltm deal renew {where} renew, or change, or leave",
    "succeed": "wltm coop join {successor} --intent NAME",
    "widen": "wltm intent widen {name}",
    "quote": "wltm supplier confirm {deal}, or wltm supplier pass {deal}",
    "countersign": "wltm supplier countersign {deal}",
}
KINDS = tuple(_CUES)
_WORDS = ("role", "name")  # fields that are shown whole; the others are ids


def cue(need: Mapping[str, Any]) -> str:
    """The line for a need as the API shows it; "" when nothing is to be typed."""
    fields = {name: value for name, value in need.items() if isinstance(value, str)}
    shown = {name: value if name in _WORDS else short(value) for name, value in fields.items()}
    shown["index"] = str(need.get("index", 0))  # which of a plan's remedies
    shown["where"] = shown.get("coop") or shown.get("deal", "")
    found = _CUES.get(need["kind"], "")
    try:
        return found.format_map(shown)
    except KeyError:  # an older node's need, without that field
        return ""


def silence(need: Mapping[str, Any]) -> str:
    """What comes of it when the member does not answer, as a sentence of its own."""
    found = str(need.get("silence", ""))
    return f"If you say nothing: {found[0].lower()}{found[1:]}" if found and need["kind"] in _CUES else found
