"""`wltm demo`: a town of real nodes on this machine, from "I would like …" to signed agreements.

Decides how a run begins and how it ends: with nothing left behind but what was asked for, whatever happens meanwhile.
It only starts processes, talks to their local APIs as a person would, and pulls plugs. Spec: 13-node, CLI-20.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from node.demo import checks, town
from node.demo.child import Down, Refused
from node.demo.director import Director, Plan
from node.demo.story import Story, TookTooLong
from node.demo.view import view
from node.webhooks import check_url
from protocol.errors import CommandError

SPEED, SPEED_MEMBERS = 60, 16  # so many times shorter for so many members; more members on one machine need more time


def run(
    *,
    headless: bool,
    members: int,
    suppliers: int,
    choices: Path | None,
    seed: int | None,
    speed: int | None,
    out: Path | None,
    json: bool,
    with_supplier: str | None = None,
) -> dict[str, Any]:
    """Plays one run and returns its report. Raises CommandError for what it was told wrongly, KeyboardInterrupt when
    it was interrupted; nothing is left then but `out`."""
    began = time.monotonic()
    seed = secrets.randbelow(10**6) if seed is None else seed
    found = town.settle(seed, members, suppliers, choices)
    hook = check_url(with_supplier) if with_supplier else ""
    folder = Path(tempfile.mkdtemp(prefix="wltm-demo-"))
    kept = out.absolute() if out else Path(tempfile.mkdtemp(prefix="wltm-deals-"))
    try:
        kept.mkdir(parents=True, exist_ok=True)
        pace = speed or max(1, SPEED * SPEED_MEMBERS // max(SPEED_MEMBERS, members))
        plan = Plan(found, seed, pace, folder, kept, hook)
        report = asyncio.run(_guarded(plan, headless or json, began))
    finally:
        if out is None and not any(kept.iterdir()):
            kept.rmdir()
        shutil.rmtree(folder, ignore_errors=True)
    return report


async def _guarded(plan: Plan, headless: bool, began: float) -> dict[str, Any]:
    """A run that SIGTERM and a closed terminal end like Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(name, task.cancel)
    try:
        return await _played(plan, headless, began)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _played(plan: Plan, headless: bool, began: float) -> dict[str, Any]:
    connector = aiohttp.TCPConnector(limit=0)
    with view(headless) as screen:
        async with aiohttp.ClientSession(connector=connector) as session:
            story = Story(screen.tell, began)
            director = Director(plan, story, session)
            screen.show(director)
            sizes = f"{len(plan.town.persons)} members and {len(plan.town.sellers)} suppliers"
            story.say(f"a town of {sizes}; seed {plan.seed}, {plan.speed} times as fast")
            try:
                await director.play()
            except* (Down, Refused, TookTooLong, checks.Failed, CommandError) as group:
                for error in _leaves(group):
                    story.trouble(str(error))
            finally:
                await director.end()
            if story.problems:
                _keep_logs(director, plan.out)
            return checks.report(director, story.seconds)


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _keep_logs(director: Director, out: Path) -> None:
    """What the nodes wrote, where something went wrong."""
    folder = out / "logs"
    for child in director.children:
        for log in child.home.glob("*.log"):
            folder.mkdir(exist_ok=True)
            shutil.copyfile(log, folder / f"{child.home.name}-{log.name}")
    director.story.say(f"the nodes' logs are kept in {folder}")
