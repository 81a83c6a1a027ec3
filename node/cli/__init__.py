"""The command `wltm`: every command, its options and one example of each.

Decides names and help; what a command does is said to the running node, or done by the module it names.
Spec: 13-node, CLI-1.
"""

from __future__ import annotations

import sys

from node.cli import (
    attest,
    business,
    consent,
    coop,
    details,
    election,
    export,
    files,
    home,
    invite,
    keep,
    mail,
    mediate,
    member,
    membership,
    mesh,
    persona,
    prefer,
    relay,
    talk,
    template,
    trade,
    trust,
    voice,
)  # fmt: skip
from node.cli.shell import Group, run

wltm = Group(
    "wltm",
    help="Would like to meet: a network of buying co-operatives that their members own.\n\n"
    "Exit codes: 0 done, 1 checked and found wrong, 2 usage or input, 3 not reachable or not now.",
    example="wltm demo",
)
for command in (
    *(home.init, home.up, home.down, home.status, home.identity, persona.persona, mesh.peers, mesh.mesh),
    *(member.needs, member.join, invite.invite, member.intent, member.board, coop.coop, election.vouch),
    *(template.template, prefer.prefer),
    *(trade.rfq, trade.award, business.supplier, talk.deal, details.details, trust.trust),
    *(consent.terms, consent.grant, consent.disclosures),
    *(voice.voice, voice.case, mediate.mediate, mediate.relationship),
    *(keep.backup, keep.restore, keep.device, keep.vanish),
    *(mail.mail, relay.relay, home.log, home.config),
    *(files.demo, files.verify, export.export, files.tally, files.groups, files.record),
):
    wltm.add_command(command)
for about in (
    *(trade.coop_commit, trade.coop_decline, attest.coop_attest, attest.coop_said),
    *(membership.coop_leave, membership.coop_succeed, membership.coop_propose),
    mediate.coop_health,
):
    coop.coop.add_command(about)


def main() -> None:
    """The program's entry."""
    sys.exit(run(wltm, sys.argv[1:]))
