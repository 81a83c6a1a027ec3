"""Kinds that carry a room: its epochs, what is said in it sealed, and who asks for a key that did not arrive.

Decides shapes only; never what a room holds. Spec: 11-room, ROO-1 to ROO-16.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.params import EPOCH_INDEX_MAX, MEMBERS_MAX, ROOM_SIZES, WITNESSES_MAX
from protocol.record.schema import array, data, fields, integer, text
from protocol.record.shapes import ID, PLACE, SEALED, Kind

_BOTH = ("coop", "deal")

ROOM_KINDS: Mapping[str, Kind] = {
    "epoch.1": Kind(
        "none",
        _BOTH,
        fields({"group": ID, "members": ID, "hash": ID, "keys": array(SEALED, MEMBERS_MAX + WITNESSES_MAX, 1)}),
    ),
    "sealed.1": Kind(
        "none",
        _BOTH,
        fields(
            {
                "epoch": ID,
                "index": integer(0, EPOCH_INDEX_MAX),
                "tag": ID,
                "cipher": data(ROOM_SIZES[0] + 16, ROOM_SIZES[-1] + 16),
            }
        ),
    ),
    "locked.1": Kind("none", _BOTH, fields({"epoch": ID, "place": PLACE})),
    "unlock.1": Kind("none", _BOTH, fields({"epoch": ID, "place": PLACE, "key": SEALED})),
    "message.1": Kind("none", ("deal",), fields({"agreement": ID, "text": text(least=1)})),
}
