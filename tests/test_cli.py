"""13-node, CLI: exit codes, one sentence per failure, what is said before a signature, what reaches the node."""

import asyncio
import io
import json
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import invitation, present
from node.api import Api
from node.cli import wltm
from node.cli.client import RUN_FILE, TOKEN_FILE
from node.cli.shell import NOT_NOW, USAGE, WRONG, Command, Group, Options, Stop, printable, run, table
from protocol import commands as c
from protocol.errors import CommandError
from protocol.identity import did
from tests.fakes_node import COOP, DEAL, ME, FakeNode, relays, status

TOKEN = "token"


@dataclass
class Rig:
    """A fake node that answers on a port, its home, and the CLI in this process."""

    node: FakeNode
    home: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, line: str, code: int = 0) -> str:
        """Runs a command; returns what it said on standard output, or, where it failed, its sentence."""
        found = run(wltm, [*shlex.split(line), "--home", str(self.home)])
        said = self.capsys.readouterr()
        assert found == code, said.out + said.err
        assert "Traceback" not in said.err
        return said.err if code else said.out

    def json(self, line: str, code: int = 0) -> Any:
        """The same with --json: the answer."""
        assert run(wltm, [*shlex.split(line), "--json", "--home", str(self.home)]) == code
        return json.loads(self.capsys.readouterr().out)


@pytest.fixture
def rig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Rig]:
    node = FakeNode()
    ready, loop = threading.Event(), asyncio.new_event_loop()
    api = Api(node, TOKEN, (), lambda: None)

    def serve() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(api.start("127.0.0.1", 0))
        ready.set()
        loop.run_forever()
        loop.run_until_complete(api.stop())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(10)
    host, _, port = api.url.removeprefix("http://").partition(":")
    (tmp_path / RUN_FILE).write_text(json.dumps({"pid": 1, "host": host, "port": int(port)}))
    (tmp_path / TOKEN_FILE).write_text(TOKEN + "\n")
    yield Rig(node, tmp_path, capsys)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def commands(group: click.Group = wltm, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name."""
    for name, command in group.commands.items():
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


ALL = dict(commands())


# CLI-1: help.


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_command_has_help_and_one_example_that_parses(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-1, CLI-2"""
    command = ALL[name]
    assert isinstance(command, Command | Group)
    assert run(wltm, [*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert "--home" in text
    assert "--json" in text
    match = re.search(r"Example: wltm (.*)", " ".join(text.split()))
    assert match
    words = shlex.split(match[1])
    if isinstance(command, Command):
        assert words[: len(name.split())] == name.split()
        command.make_context("wltm", words[len(name.split()) :], obj=Options())


def test_help_loads_nothing_heavy() -> None:
    """CLI-1: it is there at once, also before anything else works."""
    heavy = "aiohttp sqlalchemy numpy scipy libp2p trio rich jinja2 asyncio node.api node.daemon"
    code = (
        "import sys\nfrom node.cli import wltm\nfrom node.cli.shell import run\nrun(wltm, ['--help'])\n"
        f"print([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_contract_names_are_there() -> None:
    """CLI-1"""
    promised = (
        "init up down status id needs invite join board rfq award log verify tally groups demo,intent add,intent list,"
        "intent withdraw,supplier quote,record inspect,config show"
    )
    names = [*promised.split(",")[0].split(), *promised.split(",")[1:]]
    names += ["coop " + name for name in "list show found join pledge stand vote commit decline attest bundle".split()]
    assert {*names} <= {*ALL}


# CLI-3: failures.


def test_usage_errors_are_one_sentence_and_exit_2(rig: Rig) -> None:
    """CLI-3"""
    for line in (
        "bogus",
        "coop bogus",
        "board --bogus",
        "coop show",
        "board electricity",
        "groups --choices x --min 9 --max 8",
    ):
        assert rig(line, USAGE).count("\n") == 1, line


def test_without_a_node_everything_exits_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-8"""
    for line in ("needs", "status", "down", "coop list", "log", "id", "intent list"):
        assert run(wltm, [*line.split(), "--home", str(tmp_path)]) == NOT_NOW
        assert capsys.readouterr().err == f"wltm: no node runs in {tmp_path}; start it with `wltm up`\n"


def test_a_stale_run_file_a_stranger_on_the_port_a_wrong_token(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-8"""
    (rig.home / TOKEN_FILE).write_text("another")
    assert "api-token" in rig("needs", USAGE)
    (rig.home / TOKEN_FILE).unlink()
    assert "wltm init" in rig("needs", NOT_NOW)
    (rig.home / TOKEN_FILE).write_text(TOKEN)
    for content in ('{"pid": 1, "host": "127.0.0.1", "port": 1}', "{", "[]", '{"pid": 1}'):
        (rig.home / RUN_FILE).write_text(content)
        assert "start it with `wltm up`" in rig("needs", NOT_NOW)


def test_what_the_node_refuses_is_its_own_sentence(rig: Rig) -> None:
    """CLI-3, API-9"""
    rig.node.refuse = {c.Pledge: CommandError("API-9", "pledge: the box of pledges is closed")}
    line = "coop pledge ab --want 3 --price-max 2.45 --yes"
    assert rig(line, USAGE).endswith("wltm: pledge: the box of pledges is closed\n")
    assert rig.json(line, USAGE) == {"error": {"code": "API-9", "message": "pledge: the box of pledges is closed"}}
    rig.node.refuse = {c.Pledge: CommandError("STO-5", "the disk is full")}
    assert rig(line, NOT_NOW).endswith("wltm: the disk is full\n")
    rig.node.refuse = {c.AskNeeds: ValueError("inner")}
    assert "inner" not in rig("needs", NOT_NOW)


def test_an_error_of_the_program_shows_its_trace_only_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-3"""

    @click.group(cls=Group, example="x")
    def group() -> None: ...

    @group.command("fail", example="x fail")
    def fail() -> None:
        raise ZeroDivisionError("inside")

    assert run(group, ["fail"]) == NOT_NOW
    assert capsys.readouterr().err == "wltm: an error of this program (ZeroDivisionError); -v shows where\n"
    with pytest.raises(ZeroDivisionError):
        run(group, ["fail", "-v"])


def test_configuration_errors_name_the_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-3"""
    (tmp_path / "config.toml").write_text("api.prot = 1\n")
    assert run(wltm, ["config", "show", "--home", str(tmp_path)]) == USAGE
    assert "did you mean api.port?" in capsys.readouterr().err


def test_config_show_tells_where_each_value_is_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-1"""
    (tmp_path / "config.toml").write_text("api.port = 7000\n")
    assert run(wltm, ["config", "show", "--origin", "--json", "--home", str(tmp_path)]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["api.port"]["origin"] == f"file {tmp_path / 'config.toml'}"
    assert rows["home"] == {"name": "home", "value": f'"{tmp_path}"', "origin": "flag"}
    assert rows["role"]["origin"] == "default"


# CLI-4: before a signature.

ADD = "intent add home --category electricity --region u10 --want 30 --spend 62.50 --by 2030-01-01"
SIGNING: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "intent add": (ADD, lambda one: isinstance(one, c.AddIntent) and one.spend_minor == 6250 and one.want == 30),
    "intent widen": ("intent widen home", lambda one: one == c.WidenIntent("home")),
    "intent withdraw": ("intent withdraw home", lambda one: one == c.WithdrawIntent("home")),
    "coop found": (
        "coop found home --purpose P --min 2 --max 5 --fee-max 10",
        lambda one: one == c.FoundCoop("home", "P", 2, 5, "home", 1000),
    ),
    "coop join": (
        "coop join ab --intent home --least 3",
        lambda one: one == c.JoinCoop(bytes.fromhex(COOP), "home", least=3),
    ),
    "coop pledge": (
        "coop pledge ab --want 30 --tolerate 2 --least 20 --price-max 2.45",
        lambda one: one == c.Pledge(bytes.fromhex(COOP), 30, 2, 20, 245),
    ),
    "coop stand": (
        "coop stand ab --fee 20 --statement Hello",
        lambda one: one == c.Stand(bytes.fromhex(COOP), 2000, ("none",), "Hello"),
    ),
    "coop vote": (f"coop vote ab {ME.hex()[:6]}", lambda one: one == c.Vote(bytes.fromhex(COOP), ((ME,),))),
    "coop succeed": (
        f"coop succeed ab --intent home --purpose P --min 2 --max 5 --merge {'0' * 32} --member {ME.hex()}",
        lambda one: one
        == c.FoundCoop(
            "home", "P", 2, 5, "home", 0, before=tuple(sorted((bytes.fromhex(COOP), bytes(16)))), listed=(ME,)
        ),
    ),
    "coop propose": (
        f"coop propose ab {'0' * 32}",
        lambda one: one == c.ProposeCoop(bytes.fromhex(COOP), bytes(16)),
    ),
    "coop leave": (
        "coop leave ab --reason timing",
        lambda one: one == c.LeaveCoop(bytes.fromhex(COOP), "timing"),
    ),
    "coop recall": (
        "coop recall ab --reason silent --remark Gone",
        lambda one: one == c.Recall(bytes.fromhex(COOP), "silent", "Gone"),
    ),
    "vouch": (f"vouch {did(ME)}", lambda one: one == c.Vouch(ME)),
    "coop commit": ("coop commit ab", lambda one: one == c.Commit(bytes.fromhex(DEAL))),
    "coop decline": (
        "coop decline cd --reason price",
        lambda one: one == c.Decline(bytes.fromhex(DEAL), "price"),
    ),
    "deal repair": (
        "deal repair ab --want 40 --price-max 2.45",
        lambda one: one == c.Repair(bytes.fromhex(DEAL), want=40, price_max_minor=245),
    ),
    "deal deliver": (
        f"deal deliver cd --member {did(ME)} --quantity 30",
        lambda one: one == c.Report(bytes.fromhex(DEAL), "deliver", ME, 30),
    ),
    "deal receive": (
        "deal receive ab --quantity 30",
        lambda one: one == c.Report(bytes.fromhex(DEAL), "receive", ME, 30),
    ),
    "deal pay": (
        "deal pay ab --quantity 30 --reference 'invoice 7'",
        lambda one: one == c.Report(bytes.fromhex(DEAL), "pay", ME, 30, "invoice 7"),
    ),
    "deal correct": (
        "deal correct ab 0404 --quantity 8",
        lambda one: one == c.Report(bytes.fromhex(DEAL), "correct", ME, 8, "", bytes([4]) * 32),
    ),
    "deal cancel": (
        "deal cancel ab --reason price --remark Moving",
        lambda one: one == c.Cancel(bytes.fromhex(DEAL), "price", remark="Moving"),
    ),
    "deal substitute": (
        f"deal substitute cd 'green 24' --price 2.10 --member {did(ME)} --attribute renewable_percent=80",
        lambda one: one == c.Substitute(bytes.fromhex(DEAL), "green 24", 210, (ME,), {"renewable_percent": 80}),
    ),
    "deal consent": (
        "deal consent ab 0303",
        lambda one: one == c.Consent(bytes.fromhex(DEAL), bytes([3]) * 32, "consent"),
    ),
    "deal renew": (
        "deal renew ab leave --reason price",
        lambda one: one == c.AnswerRenewal(bytes.fromhex(DEAL), "leave", "price"),
    ),
    "deal say": (
        "deal say ab 'It is in the cellar.'",
        lambda one: one == c.SayInChannel(bytes.fromhex(DEAL), "It is in the cellar."),
    ),
    "deal ask": (
        "deal ask ab 'Is it green?'",
        lambda one: one == c.Query(bytes.fromhex(DEAL), "Is it green?"),
    ),
    "deal reply": (
        "deal reply ab 0505 'It is.'",
        lambda one: one == c.Respond(bytes.fromhex(DEAL), bytes([5]) * 32, "It is."),
    ),
    "deal suggest": (
        "deal suggest ab --weight green=-0.05 --require 'years<=2' --drop local --terms basic --reason Why",
        lambda one: (
            one
            == c.Suggest(
                bytes.fromhex(DEAL),
                "Why",
                {"green": -5},
                ({"attribute": "years", "operator": "at-most", "value": 2},),
                ("local",),
                ("basic",),
            )
        ),
    ),
    "deal adopt": (
        "deal adopt ab 0606",
        lambda one: one == c.Adopt(bytes.fromhex(DEAL), (bytes([6]) * 32,)),
    ),
    "deal counter": (
        f"deal counter ab {ME.hex()[:6]} --price 2.10 --quantity 30 --text Please",
        lambda one: one == c.Counter(bytes.fromhex(DEAL), ME, 210, 30, "Please"),
    ),
    "deal answer": (
        f"deal answer ab {ME.hex()[:6]}=30",
        lambda one: one == c.Answer(bytes.fromhex(DEAL), ((ME, 30),)),
    ),
    "deal final": (
        "deal final cd --rung 1=2.30 --rung 500=2.10 --capacity 900",
        lambda one: one == c.Final(bytes.fromhex(DEAL), ((1, 230), (500, 210)), 900),
    ),
    "coop attest": (
        f"coop attest ab {did(ME)} --role supplier --outcome kept --dimension quality=4",
        lambda one: one == c.Attest(bytes.fromhex(DEAL), ME, "supplier", "kept", {"quality": 4}),
    ),
    "relay policy": (
        "relay policy --contact me@example.org --keep +1d",
        lambda one: one == c.PublishPolicy("me@example.org", ("en",), "", "en", 86_400_000, (status()["peer_id"],)),
    ),
    "relay block": (
        f"relay block {did(ME)} --publish --reason fraud",
        lambda one: one == c.SetRule("block", did(ME), "", "fraud", 0, True),
    ),
    "relay allow": (
        "relay allow board/x/* --publish",
        lambda one: one == c.SetRule("allow", "board/x/*", "", "other", 0, True),
    ),
    "rfq": (
        "rfq ab --weight renewable_percent=-0.05",
        lambda one: one == c.OpenRfq(bytes.fromhex(COOP), {"renewable_percent": -5}),
    ),
}


@pytest.mark.parametrize("name", sorted(SIGNING))
def test_nothing_is_signed_without_a_yes(rig: Rig, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-4, CLI-72: without a terminal and without --yes the sentence is the answer; with it the node gets it."""
    line, right = SIGNING[name]
    acts = [kind for kind in rig.node.answers if kind is c.AskStatus]
    assert acts
    for asked in (rig(line, USAGE), rig.json(line, USAGE)["error"]["message"]):
        assert "Say --yes if that is meant." in asked
    assert all(type(one).__name__.startswith("Ask") for one in rig.node.submitted)
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert "Nothing was signed." in rig(line, NOT_NOW)
    assert all(type(one).__name__.startswith("Ask") for one in rig.node.submitted)
    rig.node.answers[c.FoundCoop] = {"coop": bytes.fromhex(COOP)}
    rig.node.answers |= {one: {"id": bytes(32), "says": "Cancelled."} for one in (c.Report, c.Cancel, c.Substitute)}
    rig.node.answers[c.SetRule] = {"about": "persona", "subject": did(ME)}
    rig.node.answers[c.PublishPolicy] = {"published": 0}
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    rig(line)
    assert right(rig.node.submitted[-1]), rig.node.submitted[-1]
    rig.node.submitted.clear()
    rig(line + " --yes")
    assert right(rig.node.submitted[-1]), rig.node.submitted[-1]


class Terminal(io.StringIO):
    """Standard input at which a person sits."""

    def isatty(self) -> bool:
        return True


def test_every_signing_command_is_in_the_list_above() -> None:
    """CLI-4: whoever adds one with --yes adds its case."""
    asking = {
        name
        for name, command in ALL.items()
        if isinstance(command, Command) and "yes" in {p.name for p in command.params}
    }
    elsewhere = {"details send", *(name for name in asking if name.startswith("supplier "))}  # test_cli_supply
    elsewhere |= {name for name in asking if name.startswith("grant ")}  # test_cli_consent
    elsewhere |= {"restore", "device go-on", "vanish"}  # test_cli_keep
    elsewhere |= {name for name in asking if name.startswith(("voice ", "case ", "mediate "))}  # test_cli_voice
    elsewhere |= {"persona freeze", "persona succeed"}  # test_cli_persona
    assert asking == {*SIGNING, "invite", "join"} | elsewhere


# CLI-5, CLI-6, CLI-7: words.


def test_text_from_peers_cannot_drive_the_terminal(rig: Rig) -> None:
    """CLI-5"""
    rig.node.answers[c.AskCoops][0]["purpose"] = "a\x1b[2Jb\u202ec\r\x07"
    rig.node.answers[c.AskCoop]["purpose"] = "a\x1b[2Jb\u202ec\r\x07"
    coop = rig.node.answers[c.AskCoop]
    for place in (coop["candidates"], coop["deal_detail"]["commitments"]):
        place[0] |= {"statement": "x\nopen: forged\x1b[2J", "remark": "x\nopen: forged\x1b[2J"}
    for line in ("coop list", "coop show ab", "award ab"):
        said = rig(line)
        assert "\nopen: forged" not in said
        assert not {"\x1b", "\u202e", "\r", "\x07"} & {*said}
        assert "\\x1b[2J" in said
    assert printable("ü – 日本\n") == "ü – 日本\n"
    assert printable("\ud800") == "?"


@given(st.text())
def test_what_is_printed_is_printable(text: str) -> None:
    """CLI-5"""
    assert all(letter.isprintable() or letter == "\n" for letter in printable(text))


def test_amounts_and_times_as_people_type_them() -> None:
    """CLI-6"""
    assert present.amount("35", "GBP") == 3500
    assert present.amount("GBP 1,035.50", "GBP") == 103550
    assert present.amount("35", "JPY") == 35
    assert present.amount("0.001", "KWD") == 1
    for wrong in ("", "-1", "1.005", "nan", "inf", "1e400", "35 EUR", "x" * 10_000, "1e99"):
        with pytest.raises(CommandError, match="is no amount in GBP"):
            present.amount(wrong, "GBP")
    assert present.instant("+14d", 1000) == 1000 + 14 * 86_400_000
    assert present.moment(present.instant("2026-12-31T18:00", 0)) == "2026-12-31 18:00"
    assert present.moment(present.instant("2026-12-31", 0)) == "2026-12-31 00:00"
    for wrong in ("", "tomorrow", "+d", "+1y", "2026-13-01", "9" * 400, "99999-01-01"):
        with pytest.raises(CommandError, match="is no time"):
            present.instant(wrong, 0)


def test_the_beginning_of_an_id_is_enough_when_it_is_the_only_one() -> None:
    """CLI-7"""
    names = ["abcd" * 8, "abce" * 8, "ff" * 16]
    assert present.one_of("ff", names, "co-op") == names[2]
    assert present.one_of(names[0], names, "co-op") == names[0]
    with pytest.raises(CommandError, match="co-op 'abc' could be several: abcdabcd, abceabce"):
        present.one_of("abc", names, "co-op")
    assert present.one_of("-", names[:1], "co-op") == names[0]
    for wrong in ("", "00"):
        with pytest.raises(CommandError, match="is none of them"):
            present.one_of(wrong, names, "co-op")


def test_deals_are_named_by_their_co_op_too(rig: Rig) -> None:
    """CLI-7"""
    for typed in ("ab", "cd"):
        rig(f"coop commit {typed} --yes")
        assert rig.node.submitted[-1] == c.Commit(bytes.fromhex(DEAL))
    assert "deal 'ee' is none of them" in rig("coop commit ee --yes", USAGE)


def test_standing_is_said_with_its_reasons(rig: Rig) -> None:
    """CLI-7"""
    said = rig("coop standing - supplier")
    assert said == f"{ME.hex()[:8]} as supplier: standing 0.175, expectation 0.500\n  You trust them.\n"
    assert rig.node.submitted[-1] == c.AskStanding(ME, "supplier")
    assert "no negotiator yet" in rig("coop standing - negotiator", USAGE)
    rig.node.answers[c.AskCoops] = []
    rig("coop standing - supplier")
    assert rig.node.submitted[-1] == c.AskStanding(ME, "supplier")


def test_a_deal_after_its_award(rig: Rig) -> None:
    """CLI-60, CLI-61, CLI-62, CLI-63, CLI-64: the state in words, a line a member, and what each report is called."""
    said = rig("deal show ab")
    assert "by request 07070707: " in said
    assert "Agreed: 30 units a period" in said
    assert "got 9 of 360, GBP 792.00 in all; 9 delivered; 8 received; ends" in said
    assert "takes green 24; differing on delivery" in said
    assert "00010203 would change: price Too dear." in said
    assert "substitute 03030303: green 24 at GBP 2.10 a unit; waits for your answer" in said
    assert "report 04040404 by 00010203: deliver 9 for 00010203 truck 7" in said
    rig.node.answers[c.Cancel] = {"id": bytes(32), "says": "Cancelled: 3 units and GBP 25.50 in all stay owed."}
    assert "a fee and what runs until then stay owed" in rig("deal cancel ab --reason price", USAGE)
    assert rig("deal cancel ab --reason price --yes") == "Cancelled: 3 units and GBP 25.50 in all stay owed.\n"
    assert "deal correct" in rig("deal receive ab --quantity 3", USAGE)


def test_needs_say_what_silence_means(rig: Rig) -> None:
    """CLI-10"""
    assert rig("needs") == "Nothing waits for you.\n"
    need = {
        "kind": "vote",
        "coop": bytes.fromhex(COOP),
        "says": "Rank the candidates",
        "until": 1,
        "silence": "No vote.",
    }
    rig.node.answers[c.AskNeeds] = [need]
    said = rig("needs")
    assert said.startswith("vote      abababab  over since ")
    assert said.splitlines()[1:] == [
        "          Rank the candidates",
        "          If you say nothing: no vote.",
        "          → wltm coop vote abababab CANDIDATE…, best first",
    ]
    assert rig.json("needs")[0]["coop"] == COOP


def test_what_a_need_shows_can_be_typed(rig: Rig) -> None:
    """CLI-59: the beginnings of ids that only a need shows; a line for every kind, and none with a gap."""
    base = {"deal": bytes.fromhex(DEAL), "coop": bytes.fromhex(COOP), "until": 10**13, "says": "x", "silence": ""}
    rig.node.answers[c.AskNeeds] = [
        {**base, "kind": "attest", "subject": bytes([9]) * 32, "role": "member"},
        {**base, "kind": "succeed", "successor": bytes([8]) * 16},
        {**base, "kind": "succeed"},
        {**base, "kind": "of another version"},
    ]
    said = rig("needs")
    lines = [one.split(" → ")[1] for one in said.splitlines() if " → " in one]
    assert lines[0] == "wltm coop attest abababab 09090909 --role member --outcome kept, or broken"
    assert lines[1:] == ["wltm coop join 08080808 --intent NAME"]
    rig("coop attest ab 0909 --role member --outcome kept --yes")
    assert rig.node.submitted[-1] == c.Attest(bytes.fromhex(DEAL), bytes([9]) * 32, "member", "kept", {})
    rig("coop join 0808 --intent home --yes")
    assert rig.node.submitted[-1] == c.JoinCoop(bytes([8]) * 16, "home")
    assert "is none of them" in rig("coop attest ab 0a --role member --outcome kept --yes", USAGE)


def test_what_becomes_of_a_word_is_said(rig: Rig) -> None:
    """CLI-85, CLI-6: sealed until when, opened now, or said openly; marks are from 1 to 5."""
    line = f"coop attest ab {did(ME)} --role supplier --outcome kept --yes"
    assert re.search(r"kept\. Sealed until they have spoken too, or until \d{4}-", rig(line))
    rig.node.answers[c.Attest] = {"id": bytes(32), "sealed": 1, "spoken": 1, "until": 1}
    assert "both are opened now" in rig(line)
    rig.node.answers[c.Attest] = {"id": bytes(32), "sealed": 0, "spoken": 0, "until": 0}
    assert "Said openly." in rig(line)
    assert "a mark from 1 to 5" in rig(line + " --dimension quality=6", USAGE)
    assert "say as what" in rig(f"coop attest ab {did(ME)} --outcome kept --yes", USAGE)


def test_what_became_of_the_ballots(rig: Rig) -> None:
    """ELE-66, CLI-5: the own ranking, how many opened, and each void one in one line."""
    said = rig("coop show ab")
    assert f"your ballot: {ME.hex()[:8]} > 00000000" in said
    assert "1 ballot opened and counted" in said
    assert f"void: the ballot 00000000 of {ME.hex()[:8]}: shares: on no\\npolynomial [IDN-18]" in said


def test_who_has_spoken_of_whom(rig: Rig) -> None:
    """CLI-87, CLI-5: one's own words and what is open, of the rest until when; nothing forges a line."""
    for line in ("coop said ab", "deal show ab"):
        said = rig(line)
        assert "you of 09090909 as supplier: broken its word, time 2, Late" in said
        assert "09090909 of you as member: broken its word, time 2" in said
        assert "08080808 of 09090909 as supplier (void: what was sealed is not what was promised [ATT-15])" in said
        assert "07070707 of 09090909 as supplier (came after the other side was opened, and stays sealed)" in said
        assert "06060606 of 09090909 as supplier (sealed; read by all when the other side has spoken too, or in" in said
        assert "\nopen: forged" not in said
    assert "spoken of each other: 5, of these open: 1" in rig("coop show ab")
    assert len(rig.json("coop said ab")) == 5
    rig.node.answers[c.AskDeals][0]["spoken"] = []
    assert rig("coop said ab") == "Nobody has said anything of anybody yet.\n"


def test_waiting_until_all_is_open(rig: Rig) -> None:
    """CLI-87: what others have sealed of others is not waited for."""
    rows = rig.node.answers[c.AskDeals][0]["spoken"]
    assert "open" in rig("coop said ab --until open --patience 1", NOT_NOW)
    rig.node.answers[c.AskDeals][0]["spoken"] = rows[1:]
    assert "09090909 of you as member" in rig("coop said ab --until open --patience 1")


def test_a_supplier_attests_many_at_once(rig: Rig) -> None:
    """CLI-86: those named, or all of whom something is due; each is asked for by itself."""
    base = {"deal": bytes.fromhex(DEAL), "coop": bytes.fromhex(COOP), "until": 10**13, "says": "x", "silence": ""}
    rig.node.answers[c.AskNeeds] = [
        {**base, "kind": "attest", "subject": bytes([number]) * 32, "role": role}
        for number, role in ((8, "member"), (9, "member"), (7, "supplier"))
    ]
    assert "Say --yes" in rig("supplier attest ab --all --outcome kept", USAGE)
    assert not [one for one in rig.node.submitted if isinstance(one, c.Attest)]
    assert "2 members kept" in rig("supplier attest ab --all --outcome kept --dimension time=4 --yes")
    said = [one for one in rig.node.submitted if isinstance(one, c.Attest)]
    assert said == [
        c.Attest(bytes.fromhex(DEAL), bytes([number]) * 32, "member", "kept", {"time": 4}) for number in (8, 9)
    ]
    rig.node.submitted.clear()
    assert "1 member broken" in rig("supplier attest ab 0909 --outcome broken --yes")
    assert [one.subject for one in rig.node.submitted if isinstance(one, c.Attest)] == [bytes([9]) * 32]
    for line in ("supplier attest ab --outcome kept", "supplier attest ab 09 --all --outcome kept"):
        assert "name some, or say --all" in rig(line + " --yes", USAGE)
    rig.node.answers[c.AskNeeds] = []
    assert "none of whom" in rig("supplier attest ab --all --outcome kept --yes", USAGE)


def test_a_table_is_aligned_and_empty_is_said() -> None:
    rows: list[dict[str, Any]] = [{"a": 1, "b": "x"}, {"a": 100}]
    assert table(rows, {"a": "A", "b": "B"}, "none") == "A    B\n1    x\n100"
    assert table([], {"a": "A"}, "none") == "none"


# CLI-9: files.


def test_unreadable_files_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-9"""
    for line in (
        "tally {}/none",
        "groups --choices {}/none",
        "record inspect {}/none",
        "record inspect {}",
        "tally {}",
    ):
        code = run(wltm, shlex.split(line.format(tmp_path)))
        said = capsys.readouterr().err
        assert code == USAGE, said
        assert said.startswith("wltm: ")
        assert said.count("\n") <= 4


def test_a_bundle_is_never_written_over_a_file(rig: Rig) -> None:
    """CLI-9"""
    out = rig.home / "deal.bundle"
    assert rig.json(f"coop bundle ab --out {out}") == {"file": str(out), "bytes": 6}
    assert out.read_bytes() == b"bundle"
    out.write_bytes(b"mine")
    assert "choose another --out" in rig(f"coop bundle ab --out {out}", USAGE)
    assert out.read_bytes() == b"mine"


def test_a_receipt_is_never_written_over_a_file(rig: Rig) -> None:
    """CLI-9: and without --out the receipts are told."""
    out = rig.home / "ballot.proof"
    assert rig.json(f"coop receipt ab --out {out}") == {"file": str(out), "bytes": 5}
    assert rig.node.submitted[-1] == c.AskInclusion(bytes.fromhex(COOP), "ballot")
    out.write_bytes(b"mine")
    assert "choose another --out" in rig(f"coop receipt ab --out {out}", USAGE)
    assert out.read_bytes() == b"mine"
    assert "ballot 00000000: counted; 1 of 4 witnesses had it in time" in rig("coop receipt ab")


def test_the_log_ends_with_the_newest(rig: Rig) -> None:
    lines = rig("log --limit 2").splitlines()
    assert [line.split()[0] for line in lines] == ["2", "3"]


# CLI-10: invitations.

LINK = invitation.Invitation(
    "town", b"\x01" * 16, 100, b"\xab" * 16, ME, ("/ip4/127.0.0.1/tcp/4001",), b"token", 10**13
)


def test_a_link_comes_back_whole() -> None:
    """CLI-10"""
    assert invitation.read(f"  {LINK.link()}\n", 0) == LINK
    assert invitation.qr(LINK.link()).count("\n") > 20


@pytest.mark.parametrize(
    "link",
    ["", "wltm:", "http://x", LINK.link()[:-3], LINK.link() + "AA", "wltm:" + "A" * 10**6, "wltm:ü", LINK.link()[5:]],
)
def test_a_damaged_link_is_one_sentence(link: str) -> None:
    """CLI-10"""
    with pytest.raises(CommandError, match="no whole invitation"):
        invitation.read(link, 0)


@given(st.binary(max_size=300))
def test_any_link_is_read_or_refused(body: bytes) -> None:
    """CLI-10"""
    import base64

    with pytest.raises(CommandError):
        invitation.read("wltm:" + base64.urlsafe_b64encode(body).decode(), 0)


def test_an_ended_link_and_one_of_another_network(rig: Rig) -> None:
    """CLI-10"""
    with pytest.raises(CommandError, match="the invitation ended"):
        invitation.read(LINK.link(), LINK.expires)
    assert "another network (town)" in rig(f"join {LINK.link()} --intent home --yes", USAGE)


def test_invite_and_join_within_a_network(rig: Rig) -> None:
    """CLI-10, CLI-4"""
    (rig.home / "config.toml").write_text(f'network.name = "town"\nnetwork.salt = "{"01" * 16}"\nnetwork.speed = 100\n')
    rig.node.answers[c.Invite] = {"tokens": [b"token"]}
    assert "--yes" in rig("invite ab", USAGE)
    link = rig.json("invite ab --yes --expires +1d")["link"]
    assert [one for one in rig.node.submitted if isinstance(one, c.Invite)]
    read = invitation.read(link, present.now_ms())
    assert read.token == b"token"
    assert [one["address"] for one in relays()] == list(read.relays), "also one that does not answer just now"
    assert "█" in rig("invite ab --yes --qr")
    assert "within a year" in rig("invite ab --yes --expires 2020-01-01", USAGE)
    assert "--yes" in rig(f"join {link} --intent home", USAGE)

    def answer(topic: str) -> None:
        detail = {"coop": bytes.fromhex(COOP), "code": "FRM-26", "message": "invitation: somebody has used it already"}
        change = (rig.node.sequence + 1, {"topic": topic, "detail": detail})
        rig.node.sequence += 1
        rig.node.on_submit = lambda command: (
            rig.node.changes.put_nowait(change) if isinstance(command, c.JoinCoop) else None
        )

    rig.node.answers[c.JoinCoop] = {"coop": bytes.fromhex(COOP), "state": "waiting for the charter"}
    answer("joined")
    assert rig(f"join {link} --intent home --yes").startswith("Joined abababab")
    assert rig.node.submitted[-1] == c.JoinCoop(bytes.fromhex(COOP), "home", token=b"token")
    answer("refused")
    assert "somebody has used it already" in rig(f"join {link} --intent home --yes", USAGE)


def test_a_price_list_is_checked_before_anything_is_asked(rig: Rig) -> None:
    """CLI-9, CLI-4"""
    prices = rig.home / "prices.csv"
    prices.write_text("a,b\n1,2\n")
    line = f"supplier quote --prices {prices} --category electricity --region u10 --label Grid"
    assert "prices.csv" in rig(line + " --yes", USAGE) or "column" in rig(line + " --yes", USAGE)
    assert rig.node.submitted == []


def test_preferences_and_limits_reach_the_node_unsigned(rig: Rig) -> None:
    """CLI-6, CLI-9"""
    choices = rig.home / "choices.csv"
    choices.write_text("person,task,alternative,chosen,price\n7,1,1,1,2\n7,1,2,0,3\n8,1,1,0,2\n8,1,2,1,3\n")
    rig.node.answers[c.SetPreference] = {"weights": {"price": -1.0}, "words": "cheap first"}
    assert rig(f"intent choose electricity --choices {choices} --person 7") == "cheap first\n"
    assert rig.node.submitted[-1] == c.SetPreference("electricity", ((({"price": 2.0}, {"price": 3.0}), 0),))
    assert "is not in choices.csv" in rig(f"intent choose electricity --choices {choices} --person 9", USAGE)
    rig(f"intent limits --price-max 2.50 --exclude {did(ME)}")
    assert rig.node.submitted[-1] == c.SetBoundaries(250, None, None, (ME,))


def test_waiting_ends_when_it_comes_or_patience_does(rig: Rig) -> None:
    """CLI-2"""
    assert "has not come within 1 seconds" in rig("needs --until vote --patience 1", NOT_NOW)
    rig("coop show ab --until forming --patience 1", 0)
    rig.node.answers[c.AskCoop]["state"] = "void"
    assert rig("coop show ab --until agreed", WRONG) == "Waiting until it is agreed …\n"
    need = {"kind": "vote", "coop": bytes.fromhex(COOP), "says": "x", "until": 10**13, "silence": "y"}
    rig.node.on_submit = lambda command: rig.node.answers.update({c.AskNeeds: [need]})
    assert rig("needs --until vote").startswith("vote")


def test_every_state_can_be_waited_for() -> None:
    """CLI-1"""
    from node.cli.coop import FAILED, STATES
    from protocol.coop.coop import COOP as COOP_TABLE
    from protocol.deal.life import DEAL as DEAL_TABLE

    known = {
        state for table in (COOP_TABLE, DEAL_TABLE) for (before, _), after in table.items() for state in (before, after)
    }
    assert {*STATES, *FAILED} == known


def test_wrong_answers_exit_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """CLI-9"""
    record = tmp_path / "record"
    record.write_bytes(b"\xc1 no record")
    assert run(wltm, ["record", "inspect", str(record), "--json"]) == WRONG
    assert json.loads(capsys.readouterr().out)["verdict"] == "rejected"


def test_stopping_is_said() -> None:
    assert Stop(NOT_NOW, "x", "CLI-1").exit_code == NOT_NOW
