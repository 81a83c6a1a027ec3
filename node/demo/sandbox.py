"""A supplier of the demo whose decisions an outside program makes: what an ERP is tried against.

Decides what that program is told and what is left to it: it confirms quotations, countersigns and delivers over the
local API, with the supplier's key, moved by webhooks. Spec: 13-node, CLI-20; 16-supplier, SUP-22 to SUP-27.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.demo.people import Supplier

TOLD = "erp.json"  # in the folder of the run: what the program needs


@dataclass
class Outside(Supplier):
    """The same supplier, for whom nobody here decides."""

    hook: str = ""
    folder: Path = Path()

    async def arrive(self) -> None:
        """Puts its price list in force for review, and says where the program finds everything."""
        await self.node.put("/supplier/rules", {"mode": "review", "countersign": "manual"})
        await super().arrive()
        made = await self.node.post("/supplier/hooks", {"url": self.hook})
        key = (self.node.home / "supplier-token").read_text("ascii").strip()
        told = {"api": self.node.url, "token": key, "secret": made["secret"], "hook": self.hook}
        fresh = self.folder / (TOLD + ".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(told))
        os.replace(fresh, self.folder / TOLD)
        self.story.say(f"{self.seller.label} is yours: what happens is posted to {self.hook}, signed (Wltm-Signature)")
        self.story.say(f"its API is {self.node.url}, its key and the webhook's secret are in {self.folder / TOLD}")
        self.story.say("on `proposed` POST /supplier/requests/DEAL/quote; on `agreed` …/countersign, GET …/order;")
        self.story.say("then POST /deals/DEAL/report for each line; GET /openapi.json describes all of it")

    async def _deliver(self, deal: dict[str, Any]) -> bool:
        return False  # the program does, or nobody


def outside(supplier: Supplier, hook: str, folder: Path) -> Outside:
    """The supplier as an outside program's."""
    return Outside(supplier.seller, supplier.node, supplier.template, supplier.story, hook=hook, folder=folder)
