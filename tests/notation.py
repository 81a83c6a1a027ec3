"""How a value is written in spec/vectors (01-record, "Words"), there and back."""

from typing import Any


def written(value: Any) -> Any:
    """A value as JSON: integers and booleans as themselves, text and bytes tagged, maps as {"map": …}."""
    match value:
        case str():
            return {"text": value}
        case bytes():
            return {"bytes": value.hex()}
        case list() | tuple():
            return [written(item) for item in value]
        case dict():
            return {"map": {key: written(item) for key, item in value.items()}}
    return value


def read(value: Any) -> Any:
    """The value that `written` wrote."""
    match value:
        case {"text": text}:
            return text
        case {"bytes": data}:
            return bytes.fromhex(data)
        case {"map": items}:
            return {key: read(item) for key, item in items.items()}
        case list():
            return [read(item) for item in value]
    return value
