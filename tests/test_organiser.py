"""What whoever runs a relay sees: numbers for Prometheus, health in words, a page; and who may see it (15-relay)."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from node.api import Api, Organiser, convert
from node.api.exposition import exposition
from node.measures import BUCKETS_S, Measures, hand_out, health
from node.web import Pages
from protocol import commands as c
from protocol.identity import did
from tests.fakes_node import ME, FakeNode
from tests.test_web import Outline

TOKEN, READING = "the token of this home", "the reading key"
PEER = "12D3KooWrelay"


def measures() -> Measures:
    found = Measures()
    found.verdicts.update({"": 7, "GOS-8": 2})
    for seconds in (0.0005, 0.02, 9.0):
        found.committed(seconds, 3)
    found.prune(4)
    return found


def overview(**changes: Any) -> dict[str, Any]:
    """A relay on which all is well, but for `changes` by dotted name."""
    numbers: dict[str, Any] = {
        "role": "relay",
        "core": dict.fromkeys(
            "peers_in peers_out scopes scopes_own contexts sessions waiting rules_own rules_followed"
            " mail_prefixes mail_records mail_fullest".split(),
            3,
        )
        | {"mail_records_max": 2000},
        "policy": {"published": 1, "current": True},
        "counts": measures().plain(),
        "waiting": {"commands": 0, "items": 0, "bytes": 0},
        "store": {
            "position": 12,
            "bytes": 5 << 20,
            "bytes_max": 10 << 20,
            "disk": {"bytes": 100 << 30, "free": 50 << 30},
            "trouble": "",
        },
        "mesh": {"restarts": 0, "resident_bytes": 1, "memory_bytes_max": 2, "bytes_in": 30, "bytes_out": 40},
        "resident_bytes": 70 << 20,
        "listens": [f"/ip4/0.0.0.0/tcp/4001/p2p/{PEER}"],
        "announces": ["/dns4/relay.example.org/tcp/4001"],
        "hand_out": [f"/dns4/relay.example.org/tcp/4001/p2p/{PEER}"],
    }
    for name, value in changes.items():
        *path, last = name.split("__")
        part = numbers
        for step in path:
            part = part[step]
        part[last] = value
    return numbers | {"health": health(numbers)}


# Health


def test_a_relay_on_which_all_is_well() -> None:
    """REL-21"""
    assert overview()["health"] == {"state": "ok", "troubles": []}


TROUBLES: list[tuple[dict[str, Any], str]] = [
    ({"store__trouble": "the disk is full"}, "the disk is full"),
    ({"store__disk": {"bytes": 100 << 30, "free": 1 << 30}}, "1024 MiB left"),
    ({"store__bytes": 10 << 20}, "10 of at most 10 MiB"),
    ({"counts__pruned_ago_ms": 4 * 3_600_000}, "4 hours"),
    ({"mesh__restarts": 4}, "started again 4 times"),
    ({"core__mail_fullest": 2000}, "prefix is full"),
    ({"waiting__commands": 101}, "101 commands wait"),
    ({"policy": {"published": 0, "current": False}}, "no policy"),
    ({"policy": {"published": 1, "current": False}}, "no longer says"),
    ({"listens": []}, "listens nowhere"),
    ({"listens": ["/ip4/127.0.0.1/tcp/4001/p2p/x"], "announces": []}, "this machine only"),
    ({"announces": []}, "tells nobody"),
    ({"listens": ["/ip4/192.168.1.5/tcp/4001/p2p/x"], "announces": []}, "no further than its own network"),
    ({"announces": ["/ip4/10.0.0.1/tcp/4001"]}, "no further than its own network"),
]


@pytest.mark.parametrize(("changes", "says"), TROUBLES, ids=[says for _, says in TROUBLES])
def test_each_trouble_is_one_sentence_and_one_fix(changes: dict[str, Any], says: str) -> None:
    """REL-21"""
    found = overview(**changes)["health"]
    assert found["state"] == ("failing" if "store__trouble" in changes else "degraded")
    (trouble,) = found["troubles"]
    assert says in trouble["says"]
    assert trouble["says"].endswith(".")
    assert trouble["fix"]


def test_a_home_need_not_be_found() -> None:
    """REL-21"""
    assert overview(role="home", listens=[], announces=[], policy={"published": 0})["health"]["state"] == "ok"


@pytest.mark.parametrize(
    ("listens", "announces", "found"),
    [
        (["/ip4/0.0.0.0/tcp/1/p2p/x"], [], []),
        (["/ip4/0.0.0.0/tcp/1/p2p/x"], ["/dns4/a.example/tcp/1"], ["/dns4/a.example/tcp/1/p2p/x"]),
        (["/ip4/0.0.0.0/tcp/1/p2p/x"], ["/dns4/a.example/tcp/1/p2p/x"], ["/dns4/a.example/tcp/1/p2p/x"]),
        (["/ip4/1.1.1.1/tcp/1/p2p/x", "/ip4/127.0.0.1/tcp/1/p2p/x"], [], ["/ip4/1.1.1.1/tcp/1/p2p/x"]),
        ([], [], []),
    ],
)
def test_the_address_to_hand_out(listens: list[str], announces: list[str], found: list[str]) -> None:
    assert hand_out(listens, announces) == found


# Numbers


def samples(numbers: dict[str, Any]) -> dict[str, list[Any]]:
    """The exposition as Prometheus's own parser reads it."""
    text = exposition(numbers, numbers["health"]["state"], BUCKETS_S).decode()
    return {family.name: family.samples for family in text_string_to_metric_families(text)}


def test_prometheus_reads_every_number() -> None:
    """REL-20"""
    found = samples(overview())
    assert all(name.startswith("wltm_") for name in found)
    values = {(one.name, *one.labels.values()): one.value for family in found.values() for one in family}
    assert values["wltm_records_received_total", "accepted"] == 7
    assert values["wltm_records_received_total", "GOS-8"] == 2
    assert values["wltm_peers", "in"] == values["wltm_peers", "out"] == 3
    assert values["wltm_mesh_bytes_total", "out"] == 40
    assert values["wltm_commit_seconds_bucket", "0.001"] == 1
    assert values["wltm_commit_seconds_bucket", "0.025"] == 2
    assert values["wltm_commit_seconds_bucket", "+Inf"] == values[("wltm_commit_seconds_count",)] == 3
    assert values[("wltm_healthy",)] == values[("wltm_writable",)] == 1
    assert values[("wltm_records_committed_total",)] == 9
    failing = samples(overview(store__trouble="the disk is full"))
    assert failing["wltm_writable"][0].value == 0


def test_numbers_hold_no_name_and_few_labels() -> None:
    """REL-20: whatever strangers send, the series are the same few."""
    text = exposition(overview(), "ok", BUCKETS_S).decode()
    for name in (PEER, did(ME), "board/", "relay.example.org", "/ip4/"):
        assert name not in text
    labels = {label for family in samples(overview()).values() for one in family for label in one.labels}
    assert labels == {"code", "direction", "le"}
    flooded = copy.deepcopy(overview())
    flooded["counts"]["verdicts"] = {f"X-{number}": 1 for number in range(10_000)}
    assert len(samples(flooded)["wltm_records_received"]) == 200


# Who may see it


def story(tell: Callable[[Api, ClientSession], Awaitable[None]], numbers: dict[str, Any], watched: bool = True) -> None:
    async def run() -> None:
        async def overlook() -> dict[str, Any]:
            return numbers

        node = FakeNode()
        node.answers |= {c.AskPolicy: policy(), c.AskRules: rules()}
        api = Api(node, TOKEN, (), lambda: None, Organiser(overlook, READING) if watched else None)
        await api.start("127.0.0.1", 0)
        try:
            async with ClientSession() as http, asyncio.timeout(30):
                await tell(api, http)
        finally:
            await api.stop()

    asyncio.run(run())


def policy(words: str = "No spam.") -> dict[str, Any]:
    said = {"contact": "post@example.org", "languages": ["en"], "admits": "all", "retention_ms": 0, "words": words}
    return {"persona": ME, "published": 1, "current": True, "policy": said | {"limits": {}, "language": "en"}}


def rules() -> dict[str, Any]:
    rule = {"verb": "block", "about": "persona", "subject": did(ME), "reason": "spam", "until": 0}
    return {"admits": "all", "own": [rule], "followed": [rule | {"source": ME}], "following": [ME]}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_the_reading_key_opens_the_numbers_and_nothing_else() -> None:
    """REL-22"""

    async def tell(api: Api, http: ClientSession) -> None:
        expected = {
            "/metrics": (200, 200, 401, 401),
            "/health": (200, 200, 401, 401),
            "/relay": (401, 200, 401, 401),
            "/": (401, 200, 401, 401),
            "/api/v1/status": (401, 200, 401, 401),
            "/api/v1/mail": (401, 200, 401, 401),
        }
        for path, statuses in expected.items():
            for headers, status in zip((bearer(READING), bearer(TOKEN), bearer("x"), {}), statuses, strict=True):
                async with http.get(api.url + path, headers=headers) as response:
                    assert response.status == status, (path, headers)
        for method in ("POST", "PUT", "DELETE"):
            for path in ("/metrics", "/health", "/api/v1/down", "/api/v1/rules"):
                async with http.request(method, api.url + path, headers=bearer(READING)) as response:
                    assert response.status in (401, 405), (method, path)
        async with http.get(api.url + "/metrics", headers=bearer(READING) | {"Host": "evil.example"}) as response:
            assert response.status == 421, "API-3 comes first"

    story(tell, overview())


def test_what_a_monitor_reads() -> None:
    """REL-20, REL-21"""

    async def tell(api: Api, http: ClientSession) -> None:
        async with http.get(api.url + "/metrics", headers=bearer(READING)) as response:
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert list(text_string_to_metric_families(await response.text()))
        async with http.get(api.url + "/health", headers=bearer(READING)) as response:
            found = await response.json()
            assert (found["state"], len(found["troubles"])) == ("degraded", 1)

    story(tell, overview(announces=[]))


def test_a_node_that_cannot_write_fails_its_check() -> None:
    """REL-21"""

    async def tell(api: Api, http: ClientSession) -> None:
        async with http.get(api.url + "/health", headers=bearer(READING)) as response:
            assert response.status == 503
            assert (await response.json())["state"] == "failing"

    story(tell, overview(store__trouble="the disk is full"))


def test_a_home_has_no_numbers_to_show() -> None:
    """REL-20"""

    async def tell(api: Api, http: ClientSession) -> None:
        for path in ("/metrics", "/health", "/relay"):
            async with http.get(api.url + path, headers=bearer(TOKEN)) as response:
                assert response.status in (401, 404)
            async with http.get(api.url + path, headers=bearer("")) as response:
                assert response.status == 401, "an empty key is no reading key"

    story(tell, overview(), watched=False)


def shown(numbers: dict[str, Any], words: str = "No spam.", **more: Any) -> Outline:
    node = FakeNode()
    node.answers |= {c.AskPolicy: policy(words), c.AskRules: rules()} | more.get("answers", {})

    async def reads(command: Any) -> Any:
        return convert.plain(await node.submit(command))

    text = asyncio.run(Pages().relay(reads, convert.plain(numbers))).text
    assert text is not None
    return Outline(text)


def test_the_page_says_what_is_wrong_and_what_to_do() -> None:
    """REL-21"""
    page = shown(overview(announces=[]))
    assert "tells nobody where it can be dialled" in page.text
    assert "--announce /dns4/relay.example.org/tcp/4001" in page.text
    assert "post@example.org" in page.text
    assert did(ME) in page.text
    calm = shown(overview())
    assert "all is well" in calm.text
    assert not [value for name, value in calm.attributes if value.startswith(("http:", "https:", "//"))]


def test_the_page_without_policy_and_rules() -> None:
    nothing = {
        c.AskPolicy: {"persona": ME, "published": 0, "policy": {}},
        c.AskRules: {"admits": "all", "own": [], "followed": [], "following": []},
    }
    page = shown(overview(policy={"published": 0, "current": False}, counts__verdicts={}), answers=nothing)
    assert "None is published" in page.text
    assert "Nobody" in page.text


def test_words_of_others_are_shown_as_they_are() -> None:
    """API-12"""
    page = shown(overview(), "<script>alert(1)</script>")
    assert "<script>alert(1)</script>" in page.text
    assert "script" not in page.tags
