"""How answers of the node read on a terminal: boards, co-ops, awards, what waits.

Decides lines only; --json shows everything. Spec: 13-node, CLI-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from node.cues import cue, silence
from node.present import counted, line, moment, money, now_ms, short, until, words
from protocol.coop.risk import DEMANDS
from protocol.identity import did
from protocol.params import AGGREGATE_LEAST


def needs_text(found: Sequence[dict[str, Any]]) -> str:
    """One paragraph per thing that waits: what, until when, what it binds, what silence means, what to type."""
    lines = []
    for need in found:
        where = short(need.get("coop") or need.get("deal") or "")
        left = f"  {until(need['until'], now_ms())}" if need.get("until") else ""
        lines.append(f"{need['kind']:<9} {where}{left}")
        sentences = (need["says"], silence(need))
        lines += [f"          {line(sentence)}" for sentence in sentences if sentence]
        lines += [f"          candidate {candidate_text(one)}" for one in need.get("candidates", ())]
        lines += [f"          → {line(found)}" for found in (cue(need),) if found]
    return "\n".join(lines) or "Nothing waits for you."


def candidate_text(one: dict[str, Any], currency: str = "") -> str:
    """Who stands, as a vote names them."""
    parts = [f"{short(one['key'])} ({did(bytes.fromhex(one['key']))})"]
    parts += [f"fee {money(one['fee_minor'], currency)}"] if currency else []
    parts += [f"interests: {words(one['interests'])}"]
    if "newcomer" in one:
        newcomer = ", a newcomer" if one["newcomer"] else ""
        parts += [f"{one['outcomes']} kept deals, {one['vouches']} vouches{newcomer}"]
    parts += [f"your own view: {one['standing']:.3f}"] if "standing" in one else []
    return ", ".join(parts) + (f" — {line(one['statement'])}" if one.get("statement") else "")


TOO_FEW = f"what it comes to is told from {AGGREGATE_LEAST} persons on"  # CNS-30


def board_text(value: dict[str, Any]) -> str:
    """A board: the pooled value first."""
    low, high = value["pooled_minor_band"]
    currency = value["currency"]
    lines = [
        f"{value['category']}/{value['region']}: {value['intents']} would like, {value['ready']} of them ready; "
        + (f"together {money(low, currency)} to {money(high, currency)}" if high else TOO_FEW)
    ]
    lines += [f"  co-op {short(call['coop'])} seeks members" for call in value["calls"]]
    lines += [
        f"  deal {short(row['deal'])} asks for quotations: {row['members']} members,"
        + (f" {money(row['pooled_minor'], currency)} or more together" if row["pooled_minor"] else f" {TOO_FEW}")
        for row in value["headlines"]
    ]
    return "\n".join(lines)


def coop_text(found: dict[str, Any]) -> str:
    """One co-op: how far it has come, what is open in it, who stands, what was agreed."""
    currency, charter = found["currency"], found["charter"]
    lines = [
        f"{line(found['purpose'])} — {found['state']}",
        *(line(one) for one in found["says"]),
        *(f"you abstain ({one['question']}): {line(one['says'])}" for one in found.get("abstains", ())),
        f"co-op {short(found['id'])}, {charter['category']}/{charter['region']}, {_range(charter)},"
        f" {counted(len(charter['witnesses']), 'witness', 'witnesses')}",
        *risk_text(charter, currency),
        f"{counted(found['members'], 'member')} on the roster, {money(found['pooled_minor'], currency)} together",
    ]
    lines += [f"  {short(key)}{_roles(found, key)}" for key in found["keys"]]
    lines += [f"candidate {candidate_text(one, currency)}" for one in found["candidates"]]
    lines += ballots_text(found)
    lines += leads_text(found)
    deal = found.get("deal_detail")
    for question in found["questions"] + (deal["questions"] if deal else []):
        closes = f", closes {until(question['closes'], now_ms())}" if question["closes"] else ""
        lines.append(f"open: {question['name'].partition('/')[0]}{closes}")
    if deal:
        lines.append(award_text(found))
        lines += spoken_text(deal["spoken"])
    return "\n".join(lines)


def spoken_text(said: list[dict[str, Any]]) -> list[str]:
    """How many have spoken of how they were dealt with, and of how many it is open."""
    count = sum(one["state"] == "open" for one in said)
    return [f"spoken of each other: {len(said)}, of these open: {count}; `wltm coop said` shows them"] if said else []


def risk_text(charter: dict[str, Any], currency: str) -> list[str]:
    """What members may lose by the charter, and what it asks for because of that; nothing where nothing is said."""
    stakes, demands = charter.get("stakes"), DEMANDS[charter["risk"]]
    told = []
    if stakes:
        first = f"{stakes['prepaid_percent']} %" if stakes["prepaid_percent"] else "nothing"
        told.append(f"a share comes to {money(stakes['value_minor'], currency)} at most, {first} of it before delivery")
    if demands.newcomers_bounded:
        told.append("few newcomers, none elected")
    if demands.outcomes:
        told.append(f"candidates show {demands.outcomes} kept deals and {counted(demands.vouches, 'vouch', 'vouches')}")
    if charter.get("mediators"):
        told.append("mediators: " + ", ".join(map(short, charter["mediators"])))
    return [f"risk {charter['risk']}: {'; '.join(told)}"] if told else []


def _range(charter: dict[str, Any]) -> str:
    least, most = charter["least"], charter["most"]
    return f"{least} to {most} members" if least < most else f"exactly {counted(most, 'member')}"


def ballots_text(found: dict[str, Any]) -> list[str]:
    """What the member voted, which this node alone can tell while the box is open, and what became of the ballots."""
    lines = []
    if own := found.get("own_ballot"):
        lines.append("your ballot: " + " > ".join(" = ".join(map(short, tier)) for tier in own))
    if "opened" in found:
        lines.append(f"{counted(found['opened'], 'ballot')} opened and counted")
        lines += [
            f"void: the ballot {short(one['id'])} of {short(one['author'])}: {line(one['message'])} [{one['code']}]"
            for one in found["void_ballots"]
        ]
    return lines


def leads_text(found: dict[str, Any]) -> list[str]:
    """Who leads and until when, who calls for an end of that, who was caught signing twice."""
    lines = []
    if found.get("negotiator"):
        lease = f", lease {until(found['lease_until'], now_ms())}" if found.get("lease_until") else ""
        lines.append(f"negotiator {short(found['negotiator'])}, term {found['term']}{lease}")
    if said := found.get("recalls"):
        reasons = "; ".join(f"{short(one['member'])}: {one['reason']} {line(one['remark'])}".rstrip() for one in said)
        lines.append(f"recall: {len(said)} of the {found['recalls_needed']} that are needed ({reasons})")
    lines += [f"fault: {short(one['author'])} {one['says']}" for one in found.get("faults", ())]
    return lines


def _roles(found: dict[str, Any], key: str) -> str:
    roles = [name for name in ("founder", "negotiator") if found[name] == key]
    roles += ["witness"] if key in found["charter"]["witnesses"] else []
    return f" ({', '.join(roles)})" if roles else ""


def award_text(found: dict[str, Any]) -> str:
    """How the quotations rank, which one is awarded, who gets what, who has signed."""
    deal, currency = found.get("deal_detail"), found["currency"]
    if not deal:
        return f"No request for quotations yet: the co-op is {found['state']}."
    lines = [f"deal {short(deal['id'])}: {deal['state']}, {counted(len(deal['quotations']), 'quotation')}"]
    lines += [f"  {line(row)}" for row in deal.get("ranking", ())]
    lines += [f"  refused {short(supplier)}: {code}" for supplier, code in deal["refused"]]
    lines += [f"  {answer_line(row, currency)}" for row in deal.get("answers", ())]
    if award := deal.get("award"):
        answers = {row["member"]: row for row in deal["commitments"]}
        for part in award["parts"]:
            price = money(part["unit_price_minor"], currency)
            first = f", {part['prepaid_percent']} % of all before delivery" if part.get("prepaid_percent") else ""
            lines.append(f"awarded to {short(part['supplier'])} at {price} a unit and period{first}:")
            lines += [f"  {short(member)} gets {count}{_answer(answers.get(member))}" for member, count in part["lots"]]
    for one in deal["agreements"]:
        price, served = money(one["unit_price_minor"], currency), len(one["shares"])
        lines.append(f"agreed {short(one['hash'])}: {price} a unit for {served} members with {short(one['supplier'])}")
    if deal["agreements"]:
        lines.append(f"the members save {money(found['saving_minor'], currency)} together")
        if "own_saving_minor" in found:
            lines.append(f"you save {money(found['own_saving_minor'], currency)} against what you pay today")
    return "\n".join(lines)


def answer_line(row: dict[str, Any], currency: str) -> str:
    """An answer: which quotations together, and what that comes to."""
    together = " and ".join(f"{count} from {short(supplier)}" for supplier, count in row["serves"])
    score = f"score {money(row['score_minor'], currency)}"
    return f"answer of {short(row['by'])}: {together}; {row['refused'] or score}"


def _answer(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    reason = f": {row['reason']} {line(row['remark'])}".rstrip() if row["reason"] else ""
    return f", {'committed' if row['answer'] == 'commit' else 'declined'}{reason}"


def deals_text(found: Sequence[dict[str, Any]]) -> str:
    """A supplier's feed: one line a deal."""
    lines = []
    for deal in found:
        closes = f", quotations close {until(deal['quote_until'], now_ms())}" if deal["state"] == "asked" else ""
        mine = ", you have quoted" if deal["mine"] else ""
        board = f"{deal['category']}/{deal['region']}"
        size = f"{counted(deal['members'], 'member')}, {counted(deal['quantity'], 'unit')}"
        lines.append(f"deal {short(deal['id'])}: {deal['state']}; {board}, {size}{closes}{mine}")
        lines += [f"  {short(member)} takes {count}" for member, count in deal["shares"]]
    return "\n".join(lines) or "No requests yet."


def standing_text(found: dict[str, Any]) -> str:
    """What this observer may expect of somebody, with the reasons."""
    head = f"{short(found['subject'])} as {found['role']}: standing {found['standing']:.3f}"
    return "\n".join([f"{head}, expectation {found['expectation']:.3f}", *(f"  {line(one)}" for one in found["why"])])


_SIGNS = {"at-least": "at least", "at-most": "at most", "equal": "exactly"}


def talk_text(said: dict[str, Any]) -> str:
    """A request's requirements, then questions with their replies, then suggestions with their voices."""
    asked = said["asked"]
    revised = ", as its members changed it" if any(one["adopted"] for one in said["suggestions"]) else ""
    lines = [f"deal {short(said['deal'])}: {said['state']}{revised}"]
    lines += [f"  must: {_must(one)}" for one in asked["requirements"]]
    lines += [f"  {_weighs(name, weight, said['currency'])}" for name, weight in asked["weights_minor"].items()]
    for one in said["queries"]:
        lines.append(f"question {short(one['id'])} by {_speaker(one)}: {line(one['text'])}")
        lines += [f"  {_speaker(reply)} replies: {line(reply['text'])}" for reply in one["replies"]]
    for one in said["suggestions"]:
        parts = [_must(two) for two in one["requirements"]] + [f"nothing of {name}" for name in one["drops"]]
        parts += [_weighs(name, weight, said["currency"]) for name, weight in one["weights_minor"].items()]
        parts += [f"also the data terms {name}" for name in one["terms"]]
        came = ", adopted" if one["adopted"] else f", {one['voices']} voices" if one["voices"] else ""
        lines.append(f"suggestion {short(one['id'])} by {_speaker(one)}: {line('; '.join(parts))}{came}")
        lines += [f"  because: {line(one['text'])}"] if one["text"] else []
    for one in said["counters"]:
        price = money(one["price_minor"], said["currency"])
        said_with = f", {line(one['text'])}" if one["text"] else ""
        lines.append(f"counter-offer to {short(one['supplier'])}: {price} for {one['quantity']}{said_with}")
        lines += ["  this is beyond the mandate that the members gave"] if one["beyond"] else []
    lines += [f"sealed, {_speaker(one)}: {line(one['text'])}" for one in said["messages"]]
    return "\n".join(lines)


def _weighs(name: str, weight: int, currency: str) -> str:
    if not weight:
        return f"{name} counts nothing"
    return f"a unit of {name} counts {money(abs(weight), currency)} {'against' if weight > 0 else 'for'} a quotation"


def _must(one: dict[str, Any]) -> str:
    return f"{one['attribute']} {_SIGNS[one['operator']]} {one['value']}"


def _speaker(one: dict[str, Any]) -> str:
    return f"{short(one['by'])} ({one['role']})"


def ledger_text(deal: dict[str, Any]) -> str:
    """A deal after its award: the state in words, a line a member, what waits."""
    currency = deal["currency"]
    head = f"deal {short(deal['id'])}, by request {short(deal['request'])}: {deal['state']}"
    lines = [head, *(line(one) for one in deal["says"])]
    lines += [_account_text(row, currency) for row in deal["accounts"]]
    for one in deal["renewals"]:
        why = f"{one['reason']} {line(one['remark'])}".strip()
        lines.append(f"{short(one['member'])} would {one['answer']}" + (f": {why}" if why else ""))
    for one in deal["substitutes"]:
        price, waits = money(one["unit_price_minor"], currency), "; waits for your answer" if one["waits"] else ""
        lines.append(f"substitute {short(one['id'])}: {line(one['article'])} at {price} a unit{waits}")
    for one in deal["events"]:
        what = f"{one['action']} {one['quantity']} for {short(one['member'])}"
        lines.append(f"report {short(one['id'])} by {short(one['by'])}: {what} {line(one['reference'])}".rstrip())
    return "\n".join(lines)


def _account_text(row: dict[str, Any], currency: str) -> str:
    words = [f"{row[name]} {name}" for name in ("delivered", "received", "paid", "credited") if name in row]
    words += [f"ends {moment(row['ends'])}, fee {money(row['fee_minor'], currency)}"] if "ends" in row else []
    words += [f"takes {line(row['article'])}"] if "article" in row else []
    words += [f"differing on {' and '.join(row['contested'])}"] if row["contested"] else []
    owed = f"  {short(row['member'])}: got {row['got']} of {row['owed']}, {money(row['price_minor'], currency)} in all"
    return "; ".join([owed, *words])
