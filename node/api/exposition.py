"""The numbers of a node as Prometheus reads them.

Decides names, help and units of the series; labels are clause codes, directions and buckets, never names of anybody.
Spec: 15-relay, REL-20.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CODES_MAX = 200  # every clause that can be a verdict; more would be a mistake of this program
_GAUGES: Mapping[str, tuple[str, str]] = {
    # name -> where it is found, help
    "wltm_scopes": ("core.scopes", "Scopes followed or carried."),
    "wltm_scopes_own": ("core.scopes_own", "Scopes followed for this node itself."),
    "wltm_contexts_resident": ("core.contexts", "Scopes in memory."),
    "wltm_sync_sessions": ("core.sessions", "Reconciliations under way."),
    "wltm_records_waiting": ("core.waiting", "Records that wait for others they refer to."),
    "wltm_rules_own": ("core.rules_own", "Blocks and allowances of this node."),
    "wltm_rules_followed": ("core.rules_followed", "Blocks by followed notices."),
    "wltm_mail_prefixes": ("core.mail_prefixes", "Mail prefixes in memory."),
    "wltm_mail_letters": ("core.mail_records", "Letters of the mail prefixes in memory."),
    "wltm_mail_fullest_letters": ("core.mail_fullest", "Letters of the fullest mail prefix in memory."),
    "wltm_mail_letters_max": ("core.mail_records_max", "Letters that a mail prefix may hold."),
    "wltm_inbox_commands": ("waiting.commands", "Commands of people and programs that wait."),
    "wltm_inbox_items": ("waiting.items", "Batches and messages of peers that wait."),
    "wltm_inbox_bytes": ("waiting.bytes", "Bytes of the batches and messages that wait."),
    "wltm_log_position": ("store.position", "Newest position of the log."),
    "wltm_store_bytes": ("store.bytes", "Bytes of the stored records."),
    "wltm_store_bytes_max": ("store.bytes_max", "Most bytes that may be stored; 0 is no bound."),
    "wltm_disk_free_bytes": ("store.disk.free", "Free bytes of the disk under the home."),
    "wltm_resident_bytes": ("resident_bytes", "Memory of the node process."),
    "wltm_mesh_resident_bytes": ("mesh.resident_bytes", "Memory of the mesh process."),
    "wltm_mesh_memory_bytes_max": ("mesh.memory_bytes_max", "Memory that the mesh process may take."),
}
_COUNTERS: Mapping[str, tuple[str, str]] = {
    "wltm_records_committed_total": ("counts.stored", "Records committed since the start."),
    "wltm_records_pruned_total": ("counts.pruned", "Records pruned since the start."),
    "wltm_mesh_restarts_total": ("mesh.restarts", "Starts of the mesh process after its first."),
}


def exposition(numbers: Mapping[str, Any], healthy: str, buckets_s: Sequence[float]) -> bytes:
    """The text format 0.0.4 of the numbers of `Daemon.numbers`."""
    from prometheus_client import CollectorRegistry, generate_latest

    class Numbers:
        def collect(self) -> Iterator[Any]:
            yield from _families(numbers, healthy, buckets_s)

    registry = CollectorRegistry()
    registry.register(Numbers())
    return generate_latest(registry)


def _families(numbers: Mapping[str, Any], healthy: str, buckets_s: Sequence[float]) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    counts = numbers["counts"]
    yield GaugeMetricFamily("wltm_up_seconds", "Since the start.", value=counts["uptime_ms"] / 1000)
    yield GaugeMetricFamily("wltm_healthy", "1 when nothing is wrong.", value=int(healthy == "ok"))
    writable = int(not numbers["store"]["trouble"])
    yield GaugeMetricFamily("wltm_writable", "0 when nothing can be written.", value=writable)
    for name, (where, text) in _GAUGES.items():
        yield GaugeMetricFamily(name, text, value=_at(numbers, where))
    for name, (where, text) in _COUNTERS.items():
        yield CounterMetricFamily(name, text, value=_at(numbers, where))
    peers = GaugeMetricFamily("wltm_peers", "Linked peers, by who dialled.", labels=["direction"])
    peers.add_metric(["in"], numbers["core"]["peers_in"])
    peers.add_metric(["out"], numbers["core"]["peers_out"])
    yield peers
    traffic = CounterMetricFamily("wltm_mesh_bytes", "Bytes of frames from and to peers.", labels=["direction"])
    for direction in ("in", "out"):
        traffic.add_metric([direction], numbers["mesh"][f"bytes_{direction}"])
    yield traffic
    verdicts = CounterMetricFamily("wltm_records_received", "Records from peers, by verdict.", labels=["code"])
    for code, count in list(counts["verdicts"].items())[:CODES_MAX]:
        verdicts.add_metric([code or "accepted"], count)
    yield verdicts
    below = list(accumulate(counts["commits"]))
    rows = [(str(most), count) for most, count in zip(buckets_s, below, strict=False)] + [("+Inf", below[-1])]
    yield HistogramMetricFamily("wltm_commit_seconds", "Time of a commit.", buckets=rows, sum_value=counts["commit_s"])


def _at(numbers: Mapping[str, Any], where: str) -> float:
    found: Any = numbers
    for part in where.split("."):
        found = found[part]
    return float(found)
