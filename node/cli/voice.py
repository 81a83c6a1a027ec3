"""When it goes wrong: speak up, answer, open a case, agree on a plan, put it right.

Decides nothing; asks the running node. Before each signature it says what that binds and who reads it. Spec: 13-node,
CLI-100 to CLI-102.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from node.cli.client import Client
from node.cli.coop import deal_of, persona
from node.cli.member import YES
from node.cli.shell import USAGE, Group, Options, Stop
from node.present import counted, instant, line, moment, now_ms, one_of, short, until

CODES = ("conduct", "late", "missing", "other", "price", "quality", "terms")
WISHES = ("apology", "deliver", "explain", "other", "price", "refund", "replace")
VOICE = click.argument("voice_id", metavar="VOICE")
_REMEDY = click.option("--remedy", "index", type=click.IntRange(0, 7), default=0, help="Which of the plan's, from 0.")


def _voice_of(client: Client, typed: str) -> dict[str, Any]:
    """The voice whose id begins with what was typed."""
    known = {row["voice"]: row for row in client.get("/voices")}
    return dict(known[one_of(typed, list(known), "voice")])


def step(options: Options, voice_id: str, name: str, warning: str, done: str, yes: bool, **values: Any) -> None:
    """Take a step under a voice, after it was said what that means."""
    client = Client.of(options)
    row = _voice_of(client, voice_id)
    options.confirm(f"{warning} (voice {short(row['voice'])}). Once signed it cannot be taken back.", yes)
    answer = client.post(f"/voices/{row['voice']}/steps", {"step": name} | values)
    options.out(answer, done)


def _row(row: dict[str, Any], now: int) -> str:
    left = f", {until(row['until'], now)}" if row["until"] else ""
    return f"{short(row['voice'])}  {moment(row['raised'])}  {row['state']}{left}\n          {line(row['says'])}"


@click.group("voice", cls=Group, example="wltm voice list", help="Say that something is wrong, and be answered.")
def voice() -> None:
    """Raise, list, answer, end."""


@voice.command("list", example="wltm voice list", help="Voices that you raised, that were raised to you, or you see.")
@click.pass_obj
def voice_list(options: Options) -> None:
    """The newest first."""
    found = Client.of(options).get("/voices")
    options.out(found, lambda: "\n".join(_row(row, now_ms()) for row in found) or "Nobody has raised a voice.")


@voice.command(
    "raise",
    example="wltm voice raise 3f2a91c0 'Nothing has come since March.' --code missing --wish deliver --yes",
    help="Tell your supplier, or another you signed with, what is wrong; only they can read it.",
)
@click.argument("deal", metavar="COOP|DEAL")
@click.argument("text")
@click.option("--code", type=click.Choice(CODES), required=True, help="What is wrong.")
@click.option("--wish", type=click.Choice(WISHES), required=True, help="What would put it right.")
@click.option("--about", default="", metavar="DID", help="Whom, where it is not your supplier.")
@YES
@click.pass_obj
def voice_raise(options: Options, /, deal: str, text: str, code: str, wish: str, about: str, yes: bool) -> None:
    """What is in the open: that you raised it, about whom, and whether it was answered."""
    client = Client.of(options)
    found, _ = deal_of(client, deal)
    options.confirm(
        f"This tells the other side of deal {short(found)}, sealed, what is wrong. Everybody in the deal sees that you"
        " spoke up, and whether you are answered in time.",
        yes,
    )
    values = {"text": text, "code": code, "wish": wish} | ({"subject": persona(about)} if about else {})
    answer = client.post(f"/deals/{found}/voices", values)
    whom, when = short(answer["subject"]), moment(answer["reply_until"])
    options.out(answer, f"Voice {short(answer['voice'])} raised; {whom} has until {when}.")


@voice.command(
    "say",
    example="wltm voice say 81d0 'It left our store today.' --yes",
    help="Answer a voice, or go on talking; only the other side reads it, and the mediator once there is one.",
)
@VOICE
@click.argument("text")
@YES
@click.pass_obj
def voice_say(options: Options, /, voice_id: str, text: str, yes: bool) -> None:
    """A few times each."""
    client = Client.of(options)
    row = _voice_of(client, voice_id)
    options.confirm(f"This answers, sealed, under the voice {short(row['voice'])}; it cannot be taken back.", yes)
    options.out(client.post(f"/voices/{row['voice']}/words", {"text": text}), "Said.")


@voice.command(
    "end",
    example="wltm voice end 81d0 settled --yes",
    help="End your own voice: it is settled, or you withdraw it.",
)
@VOICE
@click.argument("how", type=click.Choice(["settled", "withdrawn"]))
@YES
@click.pass_obj
def voice_end(options: Options, /, voice_id: str, how: str, yes: bool) -> None:
    """A settled voice counts as put right."""
    step(options, voice_id, how, f"This says that your voice is {how}", f"It is {how}.", yes)


@voice.command(
    "tell",
    example="wltm voice tell 81d0 --yes",
    help="Say in public that your voice was not answered in time; it is taken back by itself once it is.",
)
@VOICE
@YES
@click.pass_obj
def voice_tell(options: Options, /, voice_id: str, yes: bool) -> None:
    """Whoever looks at them sees it, with what shows that you signed a deal."""
    client = Client.of(options)
    row = _voice_of(client, voice_id)
    options.confirm(
        f"This tells everyone who looks at {short(row['subject'])} that you had a deal with them, and that they did not"
        " answer you in time. What it is about stays sealed.",
        yes,
    )
    options.out(client.post(f"/voices/{row['voice']}/unheard"), "Told.")


@voice.command(
    "doubt",
    example="wltm voice doubt 81d0 empty --yes",
    help="Say that the answer to your voice says nothing, or cannot be read.",
)
@VOICE
@click.argument("how", type=click.Choice(["empty", "unreadable"]))
@YES
@click.pass_obj
def voice_doubt(options: Options, /, voice_id: str, how: str, yes: bool) -> None:
    """It then counts neither as answered nor as unanswered."""
    step(options, voice_id, how, f"This says that the answer is {how}", f"It stands as {how}.", yes)


@click.group("case", cls=Group, example="wltm case show 81d0", help="A voice that talking alone did not settle.")
def case() -> None:
    """Open, name mediators, plan, put right."""


@case.command("show", example="wltm case show 81d0", help="All that you can read of a voice, and how far it has come.")
@VOICE
@click.pass_obj
def case_show(options: Options, /, voice_id: str) -> None:
    """Words of others are theirs."""
    client = Client.of(options)
    found = client.get(f"/voices/{_voice_of(client, voice_id)['voice']}")
    options.out(found, lambda: _case_text(found))


def _case_text(found: dict[str, Any]) -> str:
    lines = [_row(found, now_ms())]
    for one in found["words"]:
        head = f"  {moment(one['at'])} {short(one['by'])} ({one['kind'].partition('.')[0]})"
        more = f" [{one['code']}, would like: {one['wish']}]" if "code" in one and "wish" in one else ""
        lines.append(f"{head}{line(more)}: {line(one.get('text', 'sealed for others'))}")
    for one in found["plans"]:
        agreed = ", ".join(short(key) for key in one["agreed"]) or "nobody yet"
        lines.append(f"  plan {short(one['plan'])} by {short(one['by'])}, agreed by {agreed}")
        lines += [
            f"    {at}: {short(row['by'])} owes {row['what']} by {moment(row['due'])}"
            for at, row in enumerate(one["remedies"])
        ]
    for one in found["remedies"]:
        state = next((name for name in ("confirmed", "contested", "done") if one[name]), "open")
        lines.append(f"  remedy {one['index']} ({one['what']}): {state}")
    lines += [f"  asked to mediate: {short(one['key'])} {one['answer'] or 'no answer yet'}" for one in found["line"]]
    lines += [f"  your pulse at the {stage}: {mark} {line(text)}" for stage, mark, text in found["pulse"]]
    for key, *rows in found["pulses"]:
        lines += [f"  pulse of {short(key)} at the {stage}: {mark} {line(text)}" for stage, mark, text in rows]
    return "\n".join(lines)


@case.command("open", example="wltm case open 81d0 --yes", help="Open a case: talk, then a mediator, then an outcome.")
@VOICE
@YES
@click.pass_obj
def case_open(options: Options, /, voice_id: str, yes: bool) -> None:
    """It ends by its deadlines, whoever is silent."""
    warning = "This opens a case; it ends by its deadlines even if they stay silent"
    step(options, voice_id, "case", warning, "Open.", yes)


@case.command(
    "name",
    example="wltm case name 81d0 did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK --yes",
    help="Name up to eight whom you would accept as a mediator; see `wltm mediate list`.",
)
@VOICE
@click.argument("mediators", nargs=-1, required=True, metavar="DID…")
@YES
@click.pass_obj
def case_name(options: Options, /, voice_id: str, mediators: tuple[str, ...], yes: bool) -> None:
    """Nobody sees your list before the other side has made its own."""
    client = Client.of(options)
    row = _voice_of(client, voice_id)
    known = [one["key"] for one in client.get("/mediators")]
    keys = sorted({persona(one, None if len(one) == 64 else known) for one in mediators})
    options.confirm(
        f"This commits you to {counted(len(keys), 'mediator')} whom you would accept under the voice"
        f" {short(row['voice'])}. The deal's parties read the list once both have made one.",
        yes,
    )
    options.out(client.post(f"/voices/{row['voice']}/mediators", {"accepts": keys}), "Named; your node opens the list.")


@case.command(
    "plan",
    example="wltm case plan 81d0 'Deliver what is missing.' --remedy them=deliver=+7d --yes",
    help="Propose who does what until when; it binds once both have agreed.",
)
@VOICE
@click.argument("text")
@click.option("--remedy", "remedies", multiple=True, required=True, metavar="me|them|DID=WHAT=WHEN", help="Repeat.")
@click.option("--follow", "follow_days", type=click.IntRange(0, 400), default=30, show_default=True, help="Days until"
              " both are asked again.")  # fmt: skip
@YES
@click.pass_obj
def case_plan(
    options: Options, /, voice_id: str, text: str, remedies: tuple[str, ...], follow_days: int, yes: bool
) -> None:
    """Whoever proposes one as one of the two agrees to it."""
    client = Client.of(options)
    row = _voice_of(client, voice_id)
    them = row["author"] if row["me"] == row["subject"] else row["subject"]
    rows = [_remedy(one, {"me": row["me"], "them": them} if row["mine"] else {}) for one in remedies]
    options.confirm(
        f"This proposes {counted(len(rows), 'remedy', 'remedies')} under the voice {short(row['voice'])}. What is owed"
        " by whom, and until when, is in the open in the deal; your words are not. It binds once both agree.",
        yes,
    )
    values = {"remedies": rows, "text": text, "follow_ms": follow_days * 86_400_000}
    answer = client.post(f"/voices/{row['voice']}/plans", values)
    options.out(answer, f"Plan {short(answer['plan'])} proposed.")


def _remedy(typed: str, sides: Mapping[str, str]) -> list[str | int]:
    who, _, rest = typed.partition("=")
    what, _, when = rest.partition("=")
    if what not in WISHES or not when:
        raise Stop(USAGE, f"--remedy {typed[:40]}: write me|them|DID=WHAT=WHEN, such as them=deliver=+7d", "CLI-102")
    if who in ("me", "them") and who not in sides:
        raise Stop(USAGE, f"--remedy {typed[:40]}: you mediate; write the DID of whoever shall do it", "CLI-102")
    return [sides.get(who) or persona(who), what, instant(when, now_ms())]


@case.command("agree", example="wltm case agree 81d0 5c02 --yes", help="Agree to a plan; both who do are bound by it.")
@VOICE
@click.argument("plan")
@YES
@click.pass_obj
def case_agree(options: Options, /, voice_id: str, plan: str, yes: bool) -> None:
    """What binds is what both signed."""
    client = Client.of(options)
    found = client.get(f"/voices/{_voice_of(client, voice_id)['voice']}")
    chosen = one_of(plan, [one["plan"] for one in found["plans"]], "plan")
    step(options, voice_id, "agree", f"This binds you to the plan {short(chosen)}", "Agreed.", yes, plan=chosen)


@case.command("done", example="wltm case done 81d0 --yes", help="Say that a remedy you owe is done.")
@VOICE
@_REMEDY
@YES
@click.pass_obj
def case_done(options: Options, /, voice_id: str, index: int, yes: bool) -> None:
    """The other side confirms it or not."""
    step(options, voice_id, "done", f"This says that you did remedy {index}", "Said.", yes, index=index)


@case.command("confirm", example="wltm case confirm 81d0 --yes", help="Confirm that a remedy owed to you is done.")
@VOICE
@_REMEDY
@YES
@click.pass_obj
def case_confirm(options: Options, /, voice_id: str, index: int, yes: bool) -> None:
    """What bad you said of them then counts a quarter, for ever."""
    warning = f"This confirms remedy {index}; what bad you said of them in this deal then counts a quarter"
    step(options, voice_id, "confirmed", warning, "Confirmed.", yes, index=index)


@case.command("contest", example="wltm case contest 81d0 --yes", help="Say that a remedy owed to you is not done.")
@VOICE
@_REMEDY
@YES
@click.pass_obj
def case_contest(options: Options, /, voice_id: str, index: int, yes: bool) -> None:
    """You can confirm it later."""
    step(options, voice_id, "contested", f"This contests remedy {index}", "Contested.", yes, index=index)


@case.command("follow", example="wltm case follow 81d0 fine --yes", help="Some time later: is it still fine?")
@VOICE
@click.argument("how", type=click.Choice(["fine", "again"]))
@YES
@click.pass_obj
def case_follow(options: Options, /, voice_id: str, how: str, yes: bool) -> None:
    """Nothing follows but that it is shown."""
    step(options, voice_id, how, f"This says that it is {how}", "Said.", yes)


@case.command(
    "pulse",
    example="wltm case pulse 81d0 opening 2 'Tired of waiting.'",
    help="How you fare, from 1 to 5: kept at home, and shown to a mediator whom you both accept, alone.",
)
@VOICE
@click.argument("stage", type=click.Choice(["opening", "outcome", "followup"]))
@click.argument("mark", type=click.IntRange(1, 5))
@click.argument("text", default="")
@click.pass_obj
def case_pulse(options: Options, /, voice_id: str, stage: str, mark: int, text: str) -> None:
    """Nothing is signed."""
    client = Client.of(options)
    row = _voice_of(client, voice_id)
    values = {"stage": stage, "mark": mark, "text": text}
    options.out(client.call("PUT", f"/voices/{row['voice']}/pulse", values), "Kept.")
