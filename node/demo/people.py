"""The persons and suppliers of a demo: each looks at its own node, and answers what waits there as a person would.

Decides what somebody does; whether they may is their node's matter. Nobody here sees another's node. Spec: 13-node,
CLI-20.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

from node import prices
from node.demo.child import Child, Down, Refused
from node.demo.story import Story
from node.demo.town import REGION, TERMS, Person, Seller
from protocol.coop.template import Template, money
from protocol.deal.offer import flat
from protocol.params import DAY_MS

INTENT = "home"
STANDING_MAX = 3  # how many stand for negotiator in one co-op
_LOOK_S = 2.0  # nobody looks less often, whatever they are told
_CALM_S = 0.1  # news comes in bursts
_PLUG_S_MAX = 15.0
_SAID_ALREADY = "REC-14"


@dataclass(slots=True)
class Plug:
    """The power cut of a run: whose node goes dark while a ballot box is open, and who votes only afterwards."""

    coop: str = ""
    victim: str = ""
    last_voter: str = ""
    voted: asyncio.Event = field(default_factory=asyncio.Event)
    pulled: asyncio.Event = field(default_factory=asyncio.Event)
    back: asyncio.Event = field(default_factory=asyncio.Event)

    def plan(self, row: dict[str, Any], candidates: list[str]) -> None:
        """Chooses a witness, rather one who does not stand, and another member to wait for it."""
        witnesses = [key for key in row["charter"]["witnesses"] if key in row["keys"]]
        if self.coop or not witnesses:
            return
        self.coop = row["id"]
        self.victim = min(witnesses, key=lambda key: (key in candidates, key))
        self.last_voter = min(key for key in row["keys"] if key != self.victim)


@dataclass(slots=True)
class Member:
    """A person, their node, and what they have done."""

    person: Person
    node: Child
    template: Template
    story: Story
    plug: Plug
    seed: int
    key: str = ""
    idle: bool = False  # looked, and nothing was waiting
    _done: dict[tuple[str, ...], None] = field(default_factory=dict)

    async def arrive(self) -> None:
        """Looks at the board, lets the node learn from the choices, and says: I am thinking of it."""
        category, names = self.template.category, [one.name for one in self.template.attributes]
        self.key = (await self.node.get("/status"))["persona"]
        self.story.people[self.key] = self.person.id
        await self.node.post("/watch", {"category": category, "region": REGION})
        tasks = [[[dict(zip(names, row, strict=True)) for row in one.rows], one.chosen] for one in self.person.tasks]
        await self.node.put("/preferences", {"category": category, "tasks": tasks})
        await self.want("exploring")

    async def want(self, readiness: str) -> None:
        """Puts the intent on the board, or says it anew."""
        intent = {
            "name": INTENT,
            "category": self.template.category,
            "region": REGION,
            "want": self.person.want,
            "tolerate": self.person.want // 10,
            "spend_minor": self.person.spend_minor,
            "readiness": readiness,
            "ready_by": (time.time_ns() // 1_000_000 // DAY_MS + 14) * DAY_MS,
            "terms": list(TERMS),
        }
        await self.node.post("/intents", intent)
        spend = money(self.person.spend_minor, self.template.currency)
        self.say(f"would like {self.person.want} units and spends {spend} a period, {readiness}")

    async def live(self) -> None:
        """Answers whatever waits, as long as the demo lasts."""
        while True:
            await look(self.node)
            try:
                self.story.see(await self.node.get("/coops"))
                answered = [await self._answer(need) for need in await self.node.get("/needs")]
                self.idle = not any(answered)
                self.story.moved()
            except Down:
                continue
            except Refused as refusal:
                self.say(f"is told: {refusal.message} [{refusal.code}]")

    def say(self, sentence: str) -> None:
        """What this person just did."""
        self.story.say(f"{self.person.id} {sentence}")

    async def _answer(self, need: dict[str, Any]) -> bool:
        """Does what a need asks for, once; whether anything was done."""
        what = (need["kind"], need["id"], need.get("subject", ""), need.get("role", ""))
        if what in self._done or (need["kind"] == "attest" and need["coop"] not in self.story.open_to_attest):
            return False
        try:
            await self._do(need)
        except Refused as refusal:
            if refusal.code != _SAID_ALREADY:  # asked twice because an answer got lost with the power
                self.say(f"is told: {refusal.message} [{refusal.code}]")
                return False
        self._done[what] = None
        return True

    async def _do(self, need: dict[str, Any]) -> None:
        match need["kind"]:
            case "pledge":
                await self._pledge(need["coop"])
            case "stand":
                await self._stand(need["coop"])
            case "vote":
                await self._vote(need)
            case "rfq":
                await self.node.post(f"/coops/{need['coop']}/rfq")
                self.say("was elected, and asks suppliers for sealed quotations")
            case "commit":
                await self._commit(need)
            case "details":
                await self.node.put("/details", {"name": self.person.id, "address": "12 Demo Street"})
                await self.node.post(f"/deals/{need['deal']}/details")
                self.say("seals name and address for the supplier")
            case "attest":
                await attest(self.node, need, self.story, self.key)

    async def _pledge(self, coop: str) -> None:
        want = self.person.want
        values = {"want": want, "tolerate": want // 10, "least": want // 2, "price_max_minor": self.person.price_minor}
        await self.node.post(f"/coops/{coop}/pledge", values)
        self.say(f"pledges {want} units at up to {money(self.person.price_minor, self.template.currency)}")

    async def _stand(self, coop: str) -> None:
        keys = (await self.node.get(f"/coops/{coop}"))["keys"]
        willing = sorted(keys, key=lambda key: Random(f"{self.seed} stands {self.story.name(key)}").random())
        if self.key in willing[: max(1, min(STANDING_MAX, len(keys) // 3))]:
            values = {"fee_minor": 0, "interests": ["none"], "statement": "I would read the small print for all of us."}
            await self.node.post(f"/coops/{coop}/stand", values)
            self.say("stands for negotiator, without fee or interests")

    async def _vote(self, need: dict[str, Any]) -> None:
        coop, candidates = need["coop"], [one["key"] for one in need["candidates"]]
        self.plug.plan(await self.node.get(f"/coops/{coop}"), candidates)
        mine = self.plug.coop == coop
        if mine and self.key == self.plug.last_voter:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.plug.pulled.wait(), _PLUG_S_MAX)
        liking = Random(f"{self.seed} votes {self.person.id}")
        order = sorted(candidates, key=lambda key: (key != self.key, liking.random()))
        await self.node.post(f"/coops/{coop}/vote", {"ranking": [[key] for key in order]})
        self.say("votes: " + ", then ".join(self.story.name(key) for key in order))
        if mine and self.key == self.plug.victim:
            self.plug.voted.set()
            await self.plug.pulled.wait()

    async def _commit(self, need: dict[str, Any]) -> None:
        """Commits, or, if it is this person's turn in this run, declines and says why."""
        row = await self.node.get(f"/coops/{need['coop']}")
        detail, deal = row["deal_detail"], need["deal"]
        self.story.rank(need["coop"], detail)
        for supplier, code in detail["refused"]:
            if supplier not in self.story.refused:
                self.story.refused[supplier] = code
                self.story.say(f"{self.story.name(supplier)}'s quotation is refused [{code}]")
        lots = [member for part in detail["award"]["parts"] for member, _ in part["lots"]]
        takers = sorted(member for member in lots if member != detail["negotiator"])
        unwilling = min(takers, key=lambda key: Random(f"{self.seed} declines {self.story.name(key)}").random())
        if self.key == unwilling and not self.story.declined:
            self.story.declined[self.key] = "changed-mind"
            values = {"reason": "changed-mind", "remark": "We are moving house, so I had better not bind myself."}
            await self.node.post(f"/deals/{deal}/decline", values)
            self.say("declines: changed-mind")
        else:
            await self.node.post(f"/deals/{deal}/commit")
            price = money(need["unit_price_minor"], self.template.currency)
            self.say(f"commits to {need['quantity']} units at {price} from {self.story.name(need['supplier'])}")
        self.story.answer(need["coop"], len(lots))


@dataclass(slots=True)
class Supplier:
    """A supplier, their node, and what they have delivered."""

    seller: Seller
    node: Child
    template: Template
    story: Story
    key: str = ""
    idle: bool = False
    _done: dict[tuple[str, ...], None] = field(default_factory=dict)

    async def arrive(self) -> None:
        """Puts its price list in force: from now on the node quotes by itself."""
        self.key = (await self.node.get("/status"))["persona"]
        self.story.people[self.key] = self.seller.label
        offers = prices.read((self.node.home / "prices.csv").read_bytes(), self.template).offers
        values = {
            "category": self.template.category,
            "region": REGION,
            "label": self.seller.label,
            "rows": [row for offer in offers for row in flat(offer, self.template)],
            "terms": list(self.seller.terms),
            "identity": {"name": self.seller.label, "contact": "office", "country": "GB", "register": "demo"},
        }
        await self.node.put("/prices", values)
        self.story.say(f"{self.seller.label} answers requests from {len(offers)} articles")

    async def live(self) -> None:
        """Delivers what was agreed and signed, and says afterwards how the members did."""
        while True:
            await look(self.node)
            try:
                did = [await self._deliver(deal) for deal in await self.node.get("/deals")]
                for need in await self.node.get("/needs"):
                    if need["kind"] == "attest" and need["coop"] in self.story.open_to_attest:
                        did.append(await self._attest(need))
                self.idle = not any(did)
                self.story.moved()
            except Down:
                continue
            except Refused as refusal:
                self.story.say(f"{self.seller.label} is told: {refusal.message} [{refusal.code}]")

    async def _deliver(self, deal: dict[str, Any]) -> bool:
        mine = next((one for one in deal["agreements"] if one["supplier"] == self.key), None)
        if deal["state"] != "countersigned" or mine is None:
            return False
        lines = [one for one in deal["accounts"] if one["supplier"] == self.key and not one["fulfilled"]]
        due = [(one["member"], one["owed"] - one["got"]) for one in lines]
        owed = [(member, quantity) for member, quantity in due if (deal["id"], member) not in self._done]
        for member, quantity in owed:
            values = {"action": "deliver", "member": member, "quantity": quantity, "reference": f"note {member[:6]}"}
            await self.node.post(f"/deals/{deal['id']}/report", values)
            self._done[deal["id"], member] = None
        if owed:
            self.story.say(f"{self.seller.label} delivers to {len(owed)} members")
        return bool(owed)

    async def _attest(self, need: dict[str, Any]) -> bool:
        what = (need["coop"], need["subject"], need["role"])
        if what in self._done:
            return False
        await attest(self.node, need, self.story, self.key)
        self._done[what] = None
        return True


async def look(node: Child) -> None:
    """Waits for news, but not for ever."""
    try:
        await asyncio.wait_for(node.news.wait(), _LOOK_S)
        await asyncio.sleep(_CALM_S)
    except TimeoutError:
        pass
    await node.up.wait()
    node.news.clear()


async def attest(node: Child, need: dict[str, Any], story: Story, author: str) -> None:
    """Everybody kept their word, and says so of everybody."""
    values = {
        "subject": need["subject"],
        "role": need["role"],
        "outcome": "kept",
        "dimensions": {"promise": 5, "communication": 4},
    }
    answer = await node.post(f"/deals/{need['deal']}/attest", values)
    story.attested[need["coop"], author, need["subject"], need["role"]] = None
    fate = "" if not answer["sealed"] else ", and both are opened" if answer["spoken"] else ", sealed"
    story.say(f"{story.name(author)} attests that {story.name(need['subject'])} kept its word as {need['role']}{fate}")
