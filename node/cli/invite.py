"""The command `wltm invite`: one link for one person, one for many, or a link for each row of a list of people.

Decides how links are made and kept; whom one admits is the co-op's. Names in a list stay in its file: no link and no
record holds them. A list is hostile until read. Spec: 13-node, CLI-10, CLI-70 and CLI-71.
"""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import click

from node import invitation
from node.cli.client import Client
from node.cli.member import YES
from node.cli.shell import USAGE, Command, Options, Stop, table
from node.present import instant, moment, now_ms, one_of, short
from protocol.coop.charter import Invitation
from protocol.errors import CommandError
from protocol.params import DAY_MS, INVITATIONS_MAX, MEMBERS_MAX

LIST_BYTES_MAX = 16 * 1024 * 1024
LIST_ROWS_MAX = 20_000
LINK, EXPIRES = "link", "expires"


@click.command(
    "invite",
    cls=Command,
    example="wltm invite 3f2a91c0 --count 150 --expires +7d --yes",
    help="Make a link with which one person can join your co-op, once; or as many as --count says.\n\n"
    "With --csv every row of a list of people gets a link of its own, in --out beside the row; a row that has one in "
    "--out keeps it, so the same command can be given again. A link cannot be taken back: let it end early.",
)
@click.argument("coop")
@click.option("--expires", default="+7d", show_default=True, help="Until when the link works.")
@click.option(
    "--count", type=click.IntRange(1, MEMBERS_MAX), default=1, show_default=True, help="How many may join by it."
)
@click.option("--csv", "people", type=click.Path(path_type=Path), help="A list of people, with a head line.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the list goes with a link in each row.")
@click.option("--used", is_flag=True, help="Make none: show by which links somebody came (those in --out by row).")
@click.option("--qr", is_flag=True, help="Also as a QR code.")
@YES
@click.pass_obj
def invite(
    options: Options, /, coop: str, expires: str, count: int, people: Path | None, out: Path | None, used: bool,
    qr: bool, yes: bool,
) -> None:  # fmt: skip
    """A link carries the network and a few relays, so whoever joins needs nothing else."""
    client = Client.of(options)
    chosen = one_of(coop, [row["id"] for row in client.get("/coops")], "co-op")
    if used:
        _show_used(options, client, chosen, out)
        return
    ends = instant(expires, now_ms())
    if not now_ms() < ends <= now_ms() + 366 * DAY_MS:
        raise Stop(USAGE, "--expires: must be within a year from now", "CLI-6")
    if (people is None) != (out is None):
        raise Stop(USAGE, "--csv and --out go together: the list, and where it goes with its links", "CLI-71")
    if people is not None and out is not None:
        _for_a_list(options, client, chosen, ends, people, out, yes)
        return
    who = "once" if count == 1 else f"up to {count} times, each time by somebody else"
    options.confirm(
        f"This lets whoever holds the link join {short(chosen)} {who}, until {moment(ends)}; it cannot be taken back.",
        yes,
    )
    link = _links(options, client, chosen, ends, count, 1)[0]
    found = {"link": link, "expires": ends, "count": count}
    options.out(found, lambda: link + ("\n" + invitation.qr(link) if qr else ""))


def _links(options: Options, client: Client, coop: str, ends: int, count: int, tokens: int) -> list[str]:
    """So many links, each for `count` people."""
    from node.cli.home import configuration

    body = {"expires": ends, "count": count, "tokens": tokens}
    answer, status = client.post(f"/coops/{coop}/invite", body), client.get("/status")
    network, relays = configuration(options).network, _beginnings(client)
    return [
        invitation.Invitation(
            name=network.name,
            salt=network.salt,
            speed=network.speed,
            coop=bytes.fromhex(coop),
            founder=bytes.fromhex(status["persona"]),
            relays=relays,
            token=bytes.fromhex(token),
            expires=ends,
        ).link()
        for token in answer["tokens"]
    ]


def _beginnings(client: Client) -> tuple[str, ...]:
    """Where a newcomer can begin: here, if others can dial this node, and at its relays, those that answer first."""
    mesh, relays = client.get("/mesh"), client.get("/peers")["relays"]
    here = [f"{one}/p2p/{mesh['peer_id']}" for one in mesh["announced"]]
    here = here or [one for one in mesh["listens"] if not one.startswith(("/ip4/0.0.0.0/", "/ip6/::/"))]
    own = [one for one in relays if one["why"] not in ("learned", "nearby")]
    known = [one["address"] for one in sorted(own, key=lambda one: one["state"] != "linked")]
    return tuple(dict.fromkeys([*here[:1], *known, *here[1:]]))[: invitation.RELAYS_MAX]


def _for_a_list(
    options: Options, client: Client, coop: str, ends: int, people: Path, out: Path, yes: bool
) -> None:  # fmt: skip
    """A link for each row that has none yet; the list is written whole or not at all."""
    head, rows = read_list(people)
    kept = _kept(out, head, now_ms())
    fresh = [row for row in rows if tuple(row) not in kept]
    options.confirm(
        f"This makes {len(fresh)} links to {short(coop)}, each for one person, until {moment(ends)}; "
        f"{len(rows) - len(fresh)} rows keep the one they have. Links cannot be taken back.",
        yes,
    )
    links: list[str] = []
    for at in range(0, len(fresh), INVITATIONS_MAX):
        links += _links(options, client, coop, ends, 1, min(INVITATIONS_MAX, len(fresh) - at))
        click.echo(f"{len(links)} of {len(fresh)} links made", err=True)
    made = dict(zip(map(tuple, fresh), ((link, str(ends)) for link in links), strict=True))
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow([*head, LINK, EXPIRES])
    writer.writerows([*row, *(kept.get(tuple(row)) or made[tuple(row)])] for row in rows)
    _replace(out, written.getvalue())
    found = {"file": str(out), "made": len(fresh), "kept": len(rows) - len(fresh), "expires": ends}
    options.out(found, f"{out}: {found['made']} new links, {found['kept']} as before.")


def read_list(path: Path) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of a list of people. Raises CommandError CLI-71, naming the line."""
    try:
        with path.open("rb") as file:
            data = file.read(LIST_BYTES_MAX + 1)
    except OSError as error:
        raise CommandError("CLI-71", f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > LIST_BYTES_MAX:
        raise CommandError("CLI-71", f"{path}: more than {LIST_BYTES_MAX} bytes")
    try:
        text = data.decode("utf-8-sig")
        head_line = text.partition("\n")[0]
        separator = max(",;\t", key=head_line.count)
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except UnicodeDecodeError:
        raise CommandError("CLI-71", f"{path}: is not UTF-8 text") from None
    except csv.Error as error:
        raise CommandError("CLI-71", f"{path}: is no CSV: {error}") from None
    table_of = [(number, [cell.strip() for cell in line]) for number, line in enumerate(lines, 1) if any(line)]
    if len(table_of) < 2:
        raise CommandError("CLI-71", f"{path}: holds a head line and people below it, or nothing to do")
    head, rows = table_of[0][1], [row for _, row in table_of[1:]]
    wrong = next((number for number, row in table_of[1:] if len(row) != len(head)), None)
    if wrong is not None:
        raise CommandError("CLI-71", f"{path}: line {wrong} has not {len(head)} cells, as the head line has")
    if len(rows) > LIST_ROWS_MAX:
        raise CommandError("CLI-71", f"{path}: more than {LIST_ROWS_MAX} people")
    seen: dict[tuple[str, ...], int] = {}
    for number, row in table_of[1:]:
        if seen.setdefault(tuple(row), number) != number:
            raise CommandError("CLI-71", f"{path}: line {number} says the same as line {seen[tuple(row)]}")
    return head, rows


def _kept(out: Path, head: list[str], now: int) -> dict[tuple[str, ...], tuple[str, str]]:
    """Row -> its link and its end, of the list as it was written before; those that have ended are made anew."""
    if not out.exists():
        return {}
    before, rows = read_list(out)
    if before != [*head, LINK, EXPIRES]:
        raise CommandError("CLI-71", f"{out}: is no list that this command wrote from the same columns; name another")
    ended = [row for row in rows if not row[-1].isdecimal()]
    if ended:
        raise CommandError("CLI-71", f"{out}: {ended[0][-1][:20]!r} is no end of a link")
    return {tuple(row[:-2]): (row[-2], row[-1]) for row in rows if int(row[-1]) > now}


def _replace(out: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all: whoever holds a link may join."""
    beside = out.with_name(out.name + ".part")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        beside.replace(out)
    except OSError as error:
        raise CommandError("CLI-71", f"{out}: cannot be written: {error.strerror}") from None


def _show_used(options: Options, client: Client, coop: str, out: Path | None) -> None:
    """Who came: by nonce, and where the list is at hand by row."""
    used = {row["nonce"]: row["used"] for row in client.get(f"/coops/{coop}/invitations")}
    names: dict[str, str] = {}
    if out is not None:
        for row in read_list(out)[1]:
            token = invitation.read(row[-2], 0).token
            names[Invitation.parse(token).nonce.hex()] = ", ".join(row[:-2])
    nonces = dict.fromkeys([*names, *used])
    found = [{"nonce": one, "used": used.get(one, 0), "row": names.get(one, "")} for one in nonces]
    columns = {"nonce": "link", "used": "joined", "row": "row"}
    options.out(found, lambda: table(found, columns, "Nobody has come by a link yet."))
