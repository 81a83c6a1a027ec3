"""The command `wltm tally`: from a file of ranked ballots to an order and the pairwise counts behind it.

Decides how a tally is shown; never how it is made. Spec: 07-election, ELE-16; 12-bundle.
"""

from pathlib import Path
from typing import Any

from node.preflib import FILE_BYTES_MAX, Election, parse
from protocol.coop.election import schulze
from protocol.deal.bundle import looks_like, read
from protocol.deal.proof import Proof
from protocol.errors import CommandError, Reject

TABLE_ALTERNATIVES_MAX = 20  # a wider table of pairwise counts does not fit a terminal
NAME_CHARACTERS_MAX = 40


def ballots_from(path: Path) -> Election:
    """The ballots in a file, PrefLib's or a bundle. Raises CommandError (ELE-11 to ELE-15, BUN) where it holds none."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise CommandError("ELE-11", f"cannot read {path}: {error.strerror or error}") from None
    return election_of(data) if looks_like(data) else parse(data)


def election_of(data: bytes) -> Election:
    """The election in a deal's bundle: candidates are numbered in the order of their keys, which name them.

    Raises CommandError with the clause that the bundle breaks: ballots are only as good as the box they were cast in.
    """
    try:
        proof = read(data)
    except Reject as error:
        raise CommandError(error.code, f"the bundle does not hold: {error.message}") from None
    return _numbered(proof)


def _numbered(proof: Proof) -> Election:
    running = [one.author for one in proof.coop.candidates]
    numbers = {key: number for number, key in enumerate(running, 1)}
    ballots = tuple(
        (count, tuple(tuple(sorted(numbers[key] for key in tier)) for tier in ranking))
        for count, ranking in proof.ballots
    )
    return Election(tuple(key.hex() for key in running), ballots)


def tally(election: Election) -> dict[str, Any]:
    """{"order": [[alternatives nobody else beats], [next], …], "pairwise": [[…]]}, all by number (ELE-16)."""
    result = schulze(election.ballots, range(1, len(election.names) + 1))
    return {"order": [list(tier) for tier in result.order], "pairwise": [list(row) for row in result.pairwise]}


def render(election: Election, result: dict[str, Any]) -> str:
    """The tally for people: places and names, then who is ranked above whom by how many."""
    voters = sum(count for count, _ in election.ballots)
    lines = [f"{voters} ballots, {len(election.names)} alternatives; Schulze, winning votes"]
    place = 1
    for tier in result["order"]:
        mark = "=" if len(tier) > 1 else "."
        lines += [f"{place:>4}{mark} {number:>4}  {_shown(election.names[number - 1])}" for number in tier]
        place += len(tier)
    if len(election.names) <= TABLE_ALTERNATIVES_MAX:
        width = max(len(str(voters)), 2) + 1
        head = "".join(f"{number:>{width}}" for number in range(1, len(election.names) + 1))
        lines += ["", "ballots that rank the row above the column", f"{'':4}{head}"]
        for number, row in enumerate(result["pairwise"], 1):
            cells = (f"{'·' if column == number else count:>{width}}" for column, count in enumerate(row, 1))
            lines.append(f"{number:>4}{''.join(cells)}")
    return "\n".join(lines)


def _shown(name: str) -> str:
    """A name out of a stranger's file, without what could steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in name)[:NAME_CHARACTERS_MAX]
