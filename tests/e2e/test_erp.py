"""An outside program runs a supplier of the demo from the request to the delivery. CLI-20, SUP-22 to SUP-27."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.erp import Erp

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 240


@pytest.mark.timeout(PATIENCE_S + 20)
def test_an_erp_wins_signs_and_delivers(tmp_path: Path) -> None:
    """CLI-20: `--with-supplier`; webhooks move it, its own key opens all that it needs, names arrive sealed."""
    out = tmp_path / "out"
    line = "-m node.cli demo --headless --json --members 4 --suppliers 2 --seed 5 --with-supplier".split()

    async def story() -> tuple[dict[str, object], str, Erp]:
        async with Erp(out / "erp.json") as erp:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *line, erp.url, "--out", str(out)),
                env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                said, told = await asyncio.wait_for(process.communicate(), PATIENCE_S)
            finally:
                if process.returncode is None:
                    process.terminate()
                    await process.wait()
            return json.loads(said.decode().splitlines()[-1]), told.decode(), erp

    report, told, erp = asyncio.run(story())
    assert report["ok"], told[-3000:] + str(erp.refused) + str(erp.seen)
    events = list(erp.seen.values())
    assert sorted(erp.seen) == list(range(1, len(erp.seen) + 1))  # nothing was left out
    wanted = ("asked", "proposed", "quoted", "won", "agreed", "countersigned", "delivered")
    places = [events.index(one) for one in wanted]
    assert places == sorted(places), events
    assert erp.refused == []
    (order,) = erp.orders.values()  # as it was when all had told where they live
    names = [one["details"].get("address", "") for one in order["lines"]]
    assert "12 Demo Street" in names, order
    assert erp.told["token"] not in told
