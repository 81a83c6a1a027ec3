"""What must be true at the end of a demo, asked of the nodes themselves, and the line that reports it.

Decides whether a run succeeded. Spec: 13-node, CLI-20.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.demo.child import Child, Refused
from node.demo.people import Member, Plug
from node.demo.story import STAGES, Story

if TYPE_CHECKING:
    from node.demo.director import Director

OBSERVERS = 3  # members of a co-op whose view of supplier and negotiator is compared
_AGAIN_S = 1.0
Standings = dict[tuple[str, str, str], float]  # (observer, subject, role) -> standing


class Failed(Exception):
    """The run cannot go on; the sentence says why."""


def attestations(row: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(author, subject, role) of everything that can be said after a deal."""
    negotiator, agreements = row["negotiator"], row["deal_detail"]["agreements"]
    pairs = [(member, one["supplier"]) for one in agreements for member, _ in one["shares"]]
    return [
        *((member, supplier, "supplier") for member, supplier in pairs),
        *((member, negotiator, "negotiator") for member, _ in pairs if member != negotiator),
        *((supplier, member, "member") for member, supplier in pairs),
        *((negotiator, member, "member") for member, _ in pairs if member != negotiator),
    ]


async def opened(director: Director, row: dict[str, Any], seconds: float) -> None:
    """Both sides have spoken everywhere, so nothing of or about the observers stays sealed for long."""
    end, waits = time.monotonic() + seconds, sorted(member for member, _ in row["deal_detail"]["shares"])[:OBSERVERS]
    while waits:
        found = await director.node_of(waits[0]).get(f"/coops/{row['id']}")
        mine = [one for one in found["deal_detail"]["spoken"] if waits[0] in (one["author"], one["subject"])]
        if mine and all(one["state"] == "open" for one in mine):
            del waits[0]
        elif time.monotonic() > end:
            shut = sum(one["state"] != "open" for one in mine)
            director.story.trouble(f"{shut} of {len(mine)} words of or about {director.story.name(waits[0])} stay shut")
            return
        else:
            await asyncio.sleep(_AGAIN_S)
    director.story.say("what both sides had sealed about each other is open, and was readable by nobody before")


async def standings(director: Director, row: dict[str, Any]) -> Standings:
    """How some members see their supplier and their negotiator now."""
    takers = sorted(member for member, _ in row["deal_detail"]["shares"])
    subjects = ((row["supplier"], "supplier"), (row["negotiator"], "negotiator"))
    found: Standings = {}
    for observer in takers[:OBSERVERS]:
        for subject, role in subjects:
            if observer != subject:
                answer = await director.node_of(observer).get(f"/standing/{subject}", role=role)
                found[observer, subject, role] = answer["standing"]
    return found


async def changed(director: Director, row: dict[str, Any], before: Standings) -> None:
    """What was attested moved the standing of supplier and negotiator; says how far."""
    after = await standings(director, row)
    for (observer, subject, role), value in after.items():
        was, story = before[observer, subject, role], director.story
        whose = f"the standing of {story.name(subject)} as {role}, as {story.name(observer)} sees it"
        told = f"{whose}: {was:.3f} → {value:.3f}"
        if value == was:
            story.trouble(f"{told}; it should have changed")
        else:
            story.say(told)


async def digests(children: Sequence[Child], story: Story, seconds: float) -> bool:
    """Whether, within some time, all nodes that hold a scope have the same digest of it."""
    end = time.monotonic() + seconds
    while True:
        held: dict[str, dict[str, list[str]]] = {}
        for rows in await asyncio.gather(*(_digests(child) for child in children)):
            for scope, digest, name in rows:
                held.setdefault(scope, {}).setdefault(digest, []).append(name)
        apart = {scope: found for scope, found in held.items() if len(found) > 1}
        if not apart:
            story.say(f"{len(held)} scopes: every node that holds one has its digest")
            return True
        if time.monotonic() > end:
            for scope, found in sorted(apart.items()):
                least = min(found.values(), key=len)
                story.trouble(f"{scope}: {', '.join(least)} hold something else than the others")
            return False
        await asyncio.sleep(_AGAIN_S)


async def _digests(child: Child) -> list[tuple[str, str, str]]:
    """(scope, digest, node) of all it holds."""
    scopes = [row["scope"] for row in (await child.get("/status"))["scopes"]]
    return [(scope, (await child.get(f"/digest/{scope}"))["digest"], child.name) for scope in scopes]


async def bundle(member: Member, coop: str, out: Path, story: Story) -> str:
    """Where the member's own export of the deal lies; "" when there is none."""
    try:
        answer = await member.node.get(f"/coops/{coop}/bundle")
    except Refused as refusal:
        story.trouble(f"{member.person.id} cannot export the deal of co-op {coop[:8]}: {refusal.message}")
        return ""
    path = out / f"{coop[:8]}.bundle"
    path.write_bytes(bytes.fromhex(answer["bundle"]))
    story.say(f"{member.person.id} exports the deal: {path}")
    return str(path)


def stages(story: Story, plug: Plug) -> None:
    """Everything that a run promises has happened."""
    for stage in STAGES:
        if stage not in story.stages:
            story.trouble(f"the stage {stage} was not reached")
    if not story.refused:
        story.trouble("no supplier was refused")
    if not story.declined:
        story.trouble("no member declined")
    if not plug.back.is_set():
        story.trouble("no witness lost its power during the election and came back")
    for coop, row in sorted(story.coops.items()):
        if not row["terminal"]:
            story.trouble(f"co-op {coop[:8]} is {row['state']}, which is no end")


def report(director: Director, seconds: float) -> dict[str, Any]:
    """The last line."""
    story, plan = director.story, director.plan
    coops = [_coop(story, coop, row, director.bundles.get(coop, "")) for coop, row in sorted(story.coops.items())]
    agreed = [one for one in coops if one["agreement"]]
    found: dict[str, Any] = {
        "ok": not story.problems and director.digests_equal and bool(agreed),
        "members": len(director.members),
        "suppliers": len(director.suppliers),
        "seed": plan.seed,
        "seconds": round(seconds, 1),
        "stages": {stage: story.stages[stage] for stage in STAGES if stage in story.stages},
        "digests_equal": director.digests_equal,
        "coops": coops,
        "bundle": agreed[0]["bundle"] if agreed else "",
    }
    if not found["ok"]:
        found["problems"] = story.problems or ["no co-op came to an agreement"]
    return found


def _coop(story: Story, coop: str, row: dict[str, Any], bundle: str) -> dict[str, Any]:
    return {
        "id": coop,
        "members": [name for key, name in story.people.items() if key in row["keys"]],
        "state": row["state"],
        "pooled_value_minor": row["pooled_minor"],
        "currency": row["currency"],
        "negotiator": story.name(row["negotiator"]) if row["negotiator"] else "",
        "certificate_ok": row["certificate_ok"],
        "agreement": row["agreement"],
        "unit_price_minor": row["unit_price_minor"],
        "saving_minor": row["saving_minor"],
        "bundle": bundle,
    }
