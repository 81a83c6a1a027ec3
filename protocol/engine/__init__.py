"""The engine: every rule of the network behind `Engine.handle(event, now) -> [Effect]`."""

from protocol.engine.context import Context, Settings
from protocol.engine.engine import Engine

__all__ = ["Context", "Engine", "Settings"]
