"""The control of test_fairness: `wltm` with one queue for all peers, as it would be without the lanes of node.inbox.

And with messages that may ask for as much work as they hold ranges (SYN-18).
"""

from node import inbox
from node.cli import main
from protocol import params
from protocol.network import sync

_put = inbox.Lanes.put


def put(self: inbox.Lanes, peer: str, item: inbox.Item, size: int) -> bool:
    """Behind everybody else's."""
    return _put(self, "all", item, size)


def charge(self: inbox.Lanes, peer: str, spent_us: int, now_us: int, talk: bool) -> None:
    """On nobody's account."""


def busy(self: inbox.Lanes, peer: str) -> bool:
    """Nobody more than others."""
    return False


if __name__ == "__main__":
    vars(sync)["SYNC_RANGES_ANSWERED_MAX"] = params.SYNC_RANGES_MAX
    inbox.LANE_BYTES_MAX = 1 << 30
    inbox.Lanes.put = put  # type: ignore[method-assign]
    inbox.Lanes.charge = charge  # type: ignore[method-assign]
    inbox.Lanes.busy = busy  # type: ignore[method-assign]
    main()
