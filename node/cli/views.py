"""How answers of the node read on a terminal: boards, co-ops, awards, what waits.

Decides lines only; --json shows everything. Spec: 13-node, CLI-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from node.present import line, money, now_ms, short, until, words
from protocol.identity import did


def needs_text(found: Sequence[dict[str, Any]]) -> str:
    """One paragraph per thing that waits: what, until when, what it binds, what silence means."""
    lines = []
    for need in found:
        where = short(need.get("coop") or need.get("deal") or "")
        left = f"  {until(need['until'], now_ms())}" if need.get("until") else ""
        lines.append(f"{need['kind']:<9} {where}{left}")
        lines += [f"          {sentence}" for sentence in (need["says"], need.get("silence")) if sentence]
        lines += [f"          candidate {candidate_text(one)}" for one in need.get("candidates", ())]
    return "\n".join(lines) or "Nothing waits for you."


def candidate_text(one: dict[str, Any], currency: str = "") -> str:
    """Who stands, as a vote names them."""
    parts = [f"{short(one['key'])} ({did(bytes.fromhex(one['key']))})"]
    parts += [f"fee {money(one['fee_minor'], currency)}"] if currency else []
    parts += [f"interests: {words(one['interests'])}"]
    return ", ".join(parts) + (f" — {line(one['statement'])}" if one.get("statement") else "")


def board_text(value: dict[str, Any]) -> str:
    """A board: the pooled value first."""
    low, high = value["pooled_minor_band"]
    currency = value["currency"]
    lines = [
        f"{value['category']}/{value['region']}: {value['intents']} would like, {value['ready']} of them ready;"
        f" together {money(low, currency)} to {money(high, currency)}"
    ]
    lines += [f"  co-op {short(call['coop'])} seeks members" for call in value["calls"]]
    lines += [
        f"  deal {short(row['deal'])} asks for quotations: {row['members']} members,"
        f" {money(row['pooled_minor'], currency)} together"
        for row in value["headlines"]
    ]
    return "\n".join(lines)


def coop_text(found: dict[str, Any]) -> str:
    """One co-op: how far it has come, what is open in it, who stands, what was agreed."""
    currency, charter = found["currency"], found["charter"]
    lines = [
        f"{line(found['purpose'])} — {found['state']}",
        f"co-op {short(found['id'])}, {charter['category']}/{charter['region']}, {charter['least']} to"
        f" {charter['most']} members, {len(charter['witnesses'])} witnesses",
        f"{found['members']} members on the roster, {money(found['pooled_minor'], currency)} together",
    ]
    lines += [f"  {short(key)}{_roles(found, key)}" for key in found["keys"]]
    lines += [f"candidate {candidate_text(one, currency)}" for one in found["candidates"]]
    deal = found.get("deal_detail")
    for question in found["questions"] + (deal["questions"] if deal else []):
        closes = f", closes {until(question['closes'], now_ms())}" if question["closes"] else ""
        lines.append(f"open: {question['name'].partition('/')[0]}{closes}")
    if deal:
        lines.append(award_text(found))
    return "\n".join(lines)


def _roles(found: dict[str, Any], key: str) -> str:
    roles = [name for name in ("founder", "negotiator") if found[name] == key]
    roles += ["witness"] if key in found["charter"]["witnesses"] else []
    return f" ({', '.join(roles)})" if roles else ""


def award_text(found: dict[str, Any]) -> str:
    """How the quotations rank, which one is awarded, who gets what, who has signed."""
    deal, currency = found.get("deal_detail"), found["currency"]
    if not deal:
        return f"No request for quotations yet: the co-op is {found['state']}."
    lines = [f"deal {short(deal['id'])}: {deal['state']}, {len(deal['quotations'])} quotations"]
    lines += [f"  {line(row)}" for row in deal.get("ranking", ())]
    lines += [f"  refused {short(supplier)}: {code}" for supplier, code in deal["refused"]]
    if award := deal.get("award"):
        answers = {row["member"]: row for row in deal["commitments"]}
        for part in award["parts"]:
            price = money(part["unit_price_minor"], currency)
            lines.append(f"awarded to {short(part['supplier'])} at {price} a unit and period:")
            lines += [f"  {short(member)} gets {count}{_answer(answers.get(member))}" for member, count in part["lots"]]
    for one in deal["agreements"]:
        price, served = money(one["unit_price_minor"], currency), len(one["shares"])
        lines.append(f"agreed {short(one['hash'])}: {price} a unit for {served} members with {short(one['supplier'])}")
    if deal["agreements"]:
        lines.append(f"the members save {money(found['saving_minor'], currency)} together")
    return "\n".join(lines)


def _answer(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    reason = f": {row['reason']} {line(row['remark'])}".rstrip() if row["reason"] else ""
    return f", {'committed' if row['answer'] == 'commit' else 'declined'}{reason}"


def deals_text(found: Sequence[dict[str, Any]]) -> str:
    """A supplier's feed: one line a deal."""
    lines = []
    for deal in found:
        closes = f", quotations until {until(deal['quote_until'], now_ms())}" if deal["state"] == "asked" else ""
        mine = ", you have quoted" if deal["mine"] else ""
        board = f"{deal['category']}/{deal['region']}"
        size = f"{deal['members']} members, {deal['quantity']} units"
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
    lines = [f"deal {short(said['deal'])}: {said['state']}" + (", revised by its members" if asked["revision"] else "")]
    lines += [f"  must: {_must(one)}" for one in asked["requirements"]]
    lines += [f"  weighs: {name} {weight} minor units" for name, weight in asked["weights_minor"].items()]
    for one in said["queries"]:
        lines.append(f"question {short(one['id'])} by {_speaker(one)}: {line(one['text'])}")
        lines += [f"  {_speaker(reply)} replies: {line(reply['text'])}" for reply in one["replies"]]
    for one in said["suggestions"]:
        parts = [_must(two) for two in one["requirements"]] + [f"nothing of {name}" for name in one["drops"]]
        parts += [f"{name} weighs {weight}" for name, weight in one["weights_minor"].items()] + list(one["terms"])
        came = ", adopted" if one["adopted"] else f", {one['voices']} voices" if one["voices"] else ""
        lines.append(f"suggestion {short(one['id'])} by {_speaker(one)}: {line('; '.join(parts))}{came}")
        lines += [f"  because: {line(one['text'])}"] if one["text"] else []
    return "\n".join(lines)


def _must(one: dict[str, Any]) -> str:
    return f"{one['attribute']} {_SIGNS[one['operator']]} {one['value']}"


def _speaker(one: dict[str, Any]) -> str:
    return f"{short(one['by'])} ({one['role']})"
