"""The node's only door for local people and programs: HTTP on loopback, JSON in and out, events as they happen."""

from node.api.organiser import Organiser
from node.api.server import Api, Node
from node.api.table import ROUTES, Route

__all__ = ["ROUTES", "Api", "Node", "Organiser", "Route"]
