"""13-node, API-12: the page shows what there is, escapes all of it, and fetches nothing from elsewhere."""

import asyncio
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.api import convert
from node.web import BOARDS_MAX, COOPS_MAX, LETTERS_MAX, STATIC, Pages
from protocol import commands as c
from tests.fakes_node import COOP, FakeNode

WEB = Path(__file__).resolve().parents[1] / "node" / "web"


class Outline(HTMLParser):
    """Tags, attributes and text of a page; complains about what does not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "link", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(node: FakeNode) -> str:
    """The page's HTML."""

    async def reads(command: Any) -> Any:
        return convert.plain(await node.submit(command))

    text = asyncio.run(Pages().whole(reads, "csrf-of-the-session")).text
    assert text is not None
    return text


def test_the_page_begins_with_what_needs_you() -> None:
    """API-12, CLI-59"""
    node = FakeNode()
    coop = bytes.fromhex(COOP)
    node.answers[c.AskNeeds] = [{"kind": "vote", "coop": coop, "says": "Rank them", "until": 1, "silence": "No vote."}]
    text = " ".join(Outline(shown(node)).text.split())
    for earlier, later in [("What needs you now", "Rank them"), ("Rank them", "Green power"), ("Green power", "u10")]:
        assert text.index(earlier) < text.index(later)
    assert "GBP 21,000.00" in text
    assert "GBP 10,000.00 to GBP 30,000.00" in text
    assert "If you say nothing: no vote." in text
    assert "wltm coop vote abababab CANDIDATE…" in text


def test_voices_of_ones_own_are_told_in_sentences() -> None:
    """API-12, RMD-25: those that others raised about others are not."""
    node = FakeNode()
    node.answers[c.AskVoices] = [
        {"mine": True, "says": "The voice 1 <b>waits</b>."},
        {"mine": False, "says": "The voice 2 waits."},
    ]
    text = shown(node)
    assert "The voice 1 &lt;b&gt;waits&lt;/b&gt;." in text
    assert "The voice 2" not in text
    assert "When it went wrong" not in shown(FakeNode())


def test_nobody_connected_says_what_to_do() -> None:
    node = FakeNode()
    node.answers[c.AskPeers]["peers"] = []
    node.answers[c.AskMesh] |= {"says": "Offline: nobody is connected.", "fix": "wltm peers add ADDRESS"}
    text = shown(node)
    assert "Offline: nobody is connected." in text
    assert "wltm peers add ADDRESS" in text


HOSTILE = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>{{ 7919*7919 }}{% raw %}\u202e&amp;"


def poisoned(value: Any) -> Any:
    """The same answer with hostile text in every text field that a peer could have written."""
    match value:
        case dict():
            fixed = ("currency", "scope")
            return {name: item if name in fixed else poisoned(item) for name, item in value.items()}
        case list():
            return [poisoned(item) for item in value]
        case str():
            return HOSTILE
    return value


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    """API-12"""
    node = FakeNode()
    node.answers[c.AskStatus]["trouble"] = "The disk is full."
    plain = Outline(shown(node))
    own = (c.AskIntents,)  # what the member wrote names the boards that are asked for
    node.answers = {kind: value if kind in own else poisoned(value) for kind, value in node.answers.items()}
    page = Outline(shown(node))
    assert page.tags == plain.tags
    assert [name for name, _ in page.attributes] == [name for name, _ in plain.attributes]
    assert HOSTILE in page.text
    assert "62710561" not in page.text


@given(st.text(max_size=50))
def test_any_text_stays_text(text: str) -> None:
    """API-12"""
    node = FakeNode()
    tags = Outline(shown(node)).tags
    node.answers[c.AskCoops][0]["purpose"] = text.encode("utf-8", "replace").decode()
    assert Outline(shown(node)).tags == tags


def test_the_lists_are_bounded() -> None:
    """API-12: the bounds, filled."""
    node = FakeNode()
    node.answers[c.AskCoops] *= COOPS_MAX + 3
    intent = node.answers[c.AskIntents][0]
    node.answers[c.AskIntents] = [intent | {"region": f"u{n}"} for n in range(BOARDS_MAX + 2)]
    text = Outline(shown(node)).text
    assert text.count("Green power") == COOPS_MAX
    assert "and 3 more" in text
    assert text.count("12 would like") == BOARDS_MAX


def test_nothing_comes_from_elsewhere_and_nothing_is_inline() -> None:
    """API-12, API-7"""
    html = shown(FakeNode())
    page = Outline(html)
    assert not {"style", "iframe", "object", "form"} & {*page.tags}
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
    assert all(value.startswith("/") for name, value in page.attributes if name in ("src", "href"))
    assert re.findall(r"<script[^>]*>([^<]+)", html) == []
    for path in [*WEB.glob("pages/*"), *WEB.glob("static/*")]:
        text = path.read_text()
        assert not re.search(r"(?:src|href|url|import|fetch|EventSource)\W{0,3}(?:https?:)?//", text), path
        assert "safe" not in re.findall(r"\|\s*(\w+)", text), path


def test_without_javascript_the_page_comes_again_by_itself() -> None:
    """API-12"""
    assert '<noscript><meta http-equiv="refresh"' in shown(FakeNode())


def test_every_static_file_is_known_and_only_those() -> None:
    assert {path.name for path in WEB.glob("static/*")} == {*STATIC}


@pytest.mark.parametrize("message", ["plain", HOSTILE])
def test_a_failure_is_a_page_too(message: str) -> None:
    """API-12"""
    response = Pages.failure(421, message)
    assert response.status == 421
    assert response.text is not None
    assert message[1:] in Outline(response.text).text


def test_an_answer_that_lacks_a_field_is_an_error_not_a_gap() -> None:
    """StrictUndefined: a page never shows less than it should without a word."""
    node = FakeNode()
    del node.answers[c.AskBoard]["ready"]
    with pytest.raises(Exception, match="ready"):
        shown(node)


def test_the_spec_prints_the_table() -> None:
    """API-1"""
    from node.api import ROUTES

    spec = (WEB.parents[1] / "spec" / "13-node.md").read_text()
    rows = re.findall(r"^\| (GET|POST|PUT|DELETE) \| (\S+) \| (\w+) \|$", spec, re.MULTILINE)
    assert rows == [(route.method, route.path, route.command.__name__) for route in ROUTES]


def test_letters_are_shown_as_they_were_written() -> None:
    """API-12, REL-13"""
    node = FakeNode()
    assert "Letters" not in Outline(shown(node)).text
    letter = {"id": bytes(32), "label": "Ben", "text": "Hello\n<b>Ann</b>", "sent": 1, "received": 2, "reply": ""}
    node.answers[c.AskMail] = {"letters": [letter] * (LETTERS_MAX + 2), "tokens": [], "outgoing": 0, "full": False}
    page = Outline(shown(node))
    assert "Hello\n<b>Ann</b>" in page.text
    assert "from Ben" in page.text
    assert "and 2 more" in page.text
    assert "b" not in page.tags
