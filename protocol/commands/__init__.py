"""What the local user may ask of the node: plain values in, so that browser, CLI and tests say the same thing.

Decides nothing; the engine checks every field again and answers CommandError with a sentence. Amounts are integer minor
units per template unit and period; times are Unix ms; keys and ids are bytes. Spec: 13-node, API-1.
"""

from __future__ import annotations

from protocol.commands.coop import (
    AskInclusion,
    AskReceipts,
    FoundCoop,
    Invite,
    JoinCoop,
    Pledge,
    Recall,
    Stand,
    Vote,
    Vouch,
)
from protocol.commands.deal import (
    Adopt,
    Attest,
    Commit,
    Decline,
    OpenRfq,
    Query,
    Report,
    Respond,
    SetPrices,
    Suggest,
)
from protocol.commands.member import (
    AddIntent,
    SetBoundaries,
    SetPreference,
    Watch,
    WithdrawIntent,
)
from protocol.commands.network import (
    AddPeer,
    DropMail,
    FollowNotices,
    ForgetPeer,
    LiftRule,
    MakeToken,
    NoticePeer,
    PublishPolicy,
    RevokeToken,
    SendMail,
    SetRule,
    UnfollowNotices,
)
from protocol.commands.views import (
    AskBoard,
    AskBundle,
    AskCoop,
    AskCoops,
    AskDeals,
    AskDigest,
    AskIntents,
    AskMail,
    AskMesh,
    AskNeeds,
    AskNumbers,
    AskPeers,
    AskPolicy,
    AskRules,
    AskStanding,
    AskStatus,
    AskTalk,
)

__all__ = [
    "AddIntent",
    "AddPeer",
    "Adopt",
    "AskBoard",
    "AskBundle",
    "AskCoop",
    "AskCoops",
    "AskDeals",
    "AskDigest",
    "AskInclusion",
    "AskIntents",
    "AskMail",
    "AskMesh",
    "AskNeeds",
    "AskNumbers",
    "AskPeers",
    "AskPolicy",
    "AskReceipts",
    "AskRules",
    "AskStanding",
    "AskStatus",
    "AskTalk",
    "Attest",
    "Command",
    "Commit",
    "Decline",
    "DropMail",
    "FollowNotices",
    "ForgetPeer",
    "FoundCoop",
    "Invite",
    "JoinCoop",
    "LiftRule",
    "MakeToken",
    "NoticePeer",
    "OpenRfq",
    "Pledge",
    "PublishPolicy",
    "Query",
    "Recall",
    "Report",
    "Respond",
    "RevokeToken",
    "SendMail",
    "SetBoundaries",
    "SetPreference",
    "SetPrices",
    "SetRule",
    "Stand",
    "Suggest",
    "UnfollowNotices",
    "Vote",
    "Vouch",
    "Watch",
    "WithdrawIntent",
]

# fmt: off
Command = (
    SetBoundaries | SetPreference | AddIntent | WithdrawIntent | Watch | FoundCoop | Invite | JoinCoop | Pledge
    | Stand | Vote | Recall | Vouch | AskReceipts | AskInclusion | OpenRfq | SetPrices | Commit | Decline | Report | Attest | SetRule | LiftRule | PublishPolicy
    | FollowNotices | UnfollowNotices | MakeToken | RevokeToken | SendMail | DropMail | AddPeer | ForgetPeer
    | AskPeers | AskMesh | AskStatus | AskNeeds | AskBoard | AskIntents | AskCoops | AskCoop | AskDeals | AskBundle
    | Query | Respond | Suggest | Adopt | AskTalk | AskStanding | AskDigest | AskRules | AskPolicy | AskMail | AskNumbers
)
# fmt: on
