"""Who may knock again: faults of a peer, and of an address (03-mesh, MSH-14, MSH-31)."""

from node.mesh import Limits
from node.mesh.gate import BANS_MAX, Gate

LIMITS = Limits(ban_ms=1_000, faults_per_ip_max=3)
GOOD, BAD = "192.0.2.1", "198.51.100.9"


def blamed(gate: Gate, ip: str, peer: str, now_ms: int) -> None:
    """Somebody from this address comes in, and is at fault."""
    ticket, _ = gate.knock(ip)
    assert gate.enter(ticket)
    gate.ban(peer, now_ms, ticket)
    gate.leave(ticket)


def test_keys_are_free_and_addresses_are_not() -> None:
    """MSH-31: the fourth identity of a bad address is not heard; others are, and it again after a while."""
    gate = Gate(LIMITS)
    stayed, _ = gate.knock(BAD)
    assert gate.enter(stayed)
    for number in range(3):
        assert not gate.refuses(BAD, 100 * number)
        blamed(gate, BAD, f"p{number}", 100 * number)
    assert gate.refuses(BAD, 300)
    assert not gate.refuses(GOOD, 300)
    assert gate.counts[1] == 1, "who is in stays"
    assert not gate.refuses(BAD, 1_200)
    blamed(gate, BAD, "p9", 1_300)
    assert not gate.refuses(BAD, 1_300), "counted anew"


def test_faults_of_those_we_dialled_are_no_address_s() -> None:
    """MSH-31"""
    gate = Gate(LIMITS)
    for number in range(9):
        gate.ban(f"p{number}", 0)
    assert not gate.refuses(BAD, 0)


def test_addresses_at_fault_are_bounded() -> None:
    """MSH-31: and one IPv6 customer is one address."""
    gate = Gate(LIMITS)
    for number in range(BANS_MAX + 100):
        blamed(gate, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "p", 0)
    assert len(gate._faults) == BANS_MAX
    for number in range(3):
        blamed(gate, f"2001:db8:1:2::{number:x}", "q", 0)
    assert gate.refuses("2001:db8:1:2:ffff::1", 0)
    assert not gate.refuses("2001:db8:1:3::1", 0)


def test_a_crowd_makes_room_for_who_comes_from_elsewhere() -> None:
    """MSH-18: its youngest, while it has more than a sixteenth of the places and two more than the newcomer's source"""
    gate = Gate(Limits(inbound_max=32, inbound_per_ip_max=16))

    def come(ip: str) -> tuple[int | None, bool]:
        ticket, _ = gate.knock(ip)
        return gate.displaced(ticket), gate.enter(ticket)

    assert [come(BAD) for _ in range(16)] == [(None, True)] * 16
    others = [come(f"192.0.2.{10 + number % 8}") for number in range(16)]
    assert others == [(None, True)] * 16, "nobody makes room while there is some"
    assert [come(GOOD) for _ in range(8)] == [(16 - number, True) for number in range(8)], "the youngest first"
    assert come(GOOD) == come(BAD) == (None, False), "now both have as many"
    assert come("192.0.2.99") == (8, True)
    small = Gate(Limits(inbound_max=32))
    for number in range(32):
        ticket, _ = small.knock(f"192.0.2.{number // 2}")
        assert small.enter(ticket)
    ticket, _ = small.knock(BAD)
    assert (small.displaced(ticket), small.enter(ticket)) == (None, False), "nobody has many: first come, first served"
    assert small.displaced(0) is None, "whom we dialled takes nobody's place"


def test_a_source_that_a_proxy_names_is_refused_too() -> None:
    """MSH-31, MSH-43"""
    gate = Gate(LIMITS)
    for number in range(3):
        blamed(gate, BAD, f"p{number}", 0)
    ticket, _ = gate.knock("127.0.0.1")
    assert not gate.refuses_named(ticket, 0)
    gate.name_source(ticket, "127.0.0.1", BAD)
    assert gate.refuses_named(ticket, 0)
    assert not gate.refuses_named(ticket, 1_000)
    gate.name_source(ticket, "127.0.0.1", GOOD)
    assert not gate.refuses_named(ticket, 0)
