"""Mail on the command line: tokens to hand out, letters to send and read.

Decides names, help and words. Spec: 15-relay, REL-10 to REL-17; 13-node, CLI-32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.client import Client, part
from node.cli.shell import Group, Options, content, table
from node.present import instant, line, moment, now_ms, one_of, short, until

TEXT_BYTES_MAX = 4096


@click.group("mail", cls=Group, example="wltm mail token --for Ben", help="Letters that relays keep for who sleeps.")
def mail() -> None:
    """Nobody writes to you without a token that you gave."""


@mail.command("token", example="wltm mail token --for Ben", help="Make a line to hand to whom may write to you.")
@click.option("--for", "label", required=True, metavar="TEXT", help="For whom it is; you see it beside their letters.")
@click.option("--until", "end", default="+365d", show_default=True, metavar="TIME", help="When it ends.")
@click.option("--as", "persona", default="", metavar="NAME", help="As which of your personas.")
@click.option("--revoke", is_flag=True, help="Take back the token given out for this name.")
@click.pass_obj
def token(options: Options, /, label: str, end: str, persona: str, revoke: bool) -> None:
    """Whoever has the line can write; take it back and their letters are dropped."""
    client = Client.of(options)
    if revoke:
        tokens = client.get("/mail")["tokens"]
        named = one_of(label, [row["label"] for row in tokens], "token")
        secret = next(row["secret"] for row in tokens if row["label"] == named)
        found = client.call("DELETE", f"/mail/tokens/{part(secret)}", {})
        options.out(found, f"The token for {line(named)} opens nothing any more.")
        return
    found = client.post("/mail/tokens", {"label": label, "expires": instant(end, now_ms()), "persona": persona})
    options.out(found, found["token"])


@mail.command("send", example='wltm mail send wltm-mail:haNib3j… "On Friday?"', help="Write to whoever gave TOKEN.")
@click.argument("token")
@click.argument("text")
@click.option("--reply", is_flag=True, help="Send a token along, so that they can answer.")
@click.pass_obj
def send(options: Options, /, token: str, text: str, reply: bool) -> None:
    """TEXT of "-" is read from standard input."""
    words = content(Path("-"), TEXT_BYTES_MAX).decode("utf-8", "replace").rstrip("\n") if text == "-" else text
    found = Client.of(options).post("/mail", {"token": token, "text": words, "reply": reply})
    options.out(found, f"Letter {short(found['letter'])} is under way; kept until {moment(found['expires'])}.")


@mail.command("list", example="wltm mail list", help="Letters, newest first, and the tokens that are out.")
@click.pass_obj
def list_(options: Options) -> None:
    """The beginning of each letter."""
    found = Client.of(options).get("/mail")
    options.out(found, lambda: _list_text(found))


def _list_text(found: dict[str, Any]) -> str:
    rows = [
        {"id": short(row["id"]), "token": row["label"], "sent": moment(row["sent"]), "text": row["text"][:48]}
        for row in found["letters"]
    ]
    lines = [table(rows, {"id": "letter", "token": "from", "sent": "sent", "text": "begins"}, "No letters.")]
    if found["full"]:
        lines.append("The mailbox is full: `wltm mail drop` makes room.")
    if found["outgoing"]:
        lines.append(f"{found['outgoing']} of your letters have not reached a relay yet.")
    lines += [f"token for {line(row['label'])}, ends {until(row['expires'], now_ms())}" for row in found["tokens"]]
    return "\n".join(lines)


@mail.command("read", example="wltm mail read 3f2a", help="One letter.")
@click.argument("letter")
@click.pass_obj
def read(options: Options, /, letter: str) -> None:
    """Named by the beginning of its id."""
    row = _letter(Client.of(options), letter)
    answer = f"\nAnswer: wltm mail send {row['reply']} TEXT" if row["reply"] else ""
    head = f"from {line(row['label'])}, sent {moment(row['sent'])}, came {moment(row['received'])}"
    options.out(row, f"{head}\n\n{row['text']}\n{answer}".rstrip())


@mail.command("drop", example="wltm mail drop 3f2a", help="Throw a letter away.")
@click.argument("letter")
@click.pass_obj
def drop(options: Options, /, letter: str) -> None:
    """It is not found again while relays still have it."""
    client = Client.of(options)
    row = _letter(client, letter)
    found = client.call("DELETE", f"/mail/{part(row['id'])}", {})
    options.out(found, f"Letter {short(row['id'])} is gone.")


def _letter(client: Client, typed: str) -> dict[str, Any]:
    letters = client.get("/mail")["letters"]
    named = one_of(typed, [row["id"] for row in letters], "letter")
    return next(dict(row) for row in letters if row["id"] == named)
