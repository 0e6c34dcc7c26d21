"""What identifies a configuration: its document with everything that was left out, and the hash of that."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from pydantic_core import to_jsonable_python

from axiomd.config.plugins import find_strategy, strategy_params
from axiomd.config.rates import path_hashes
from axiomd.contracts.exact import json_number
from axiomd.contracts.runs import RunConfig, StrategyConfig, StrategyRef, config_document, config_hash

Entry = TypeVar("Entry", StrategyRef, StrategyConfig)


def identified(config: RunConfig, where: str = "configuration") -> tuple[str, dict[str, object]]:
    """Give a configuration's hash and its document, as plain JSON values. Raises `ConfigError`.

    A parameter that is written out as its default means what it means left out, as any other key (03).
    """
    whole, hashes = _whole(config, where), path_hashes(config, where)
    return config_hash(whole, hashes), config_document(whole, hashes)


def _whole(config: RunConfig, where: str) -> RunConfig:
    params = [
        strategy_params(find_strategy(entry.name, entry.version, where), entry, where).model_dump()
        for entry in config.normalised()
    ]
    plain = [{name: _plain(value) for name, value in own.items()} for own in params]
    if config.strategies is not None:
        entries = zip(config.strategies, plain, strict=True)
        return config.model_copy(update={"strategies": tuple(_with(entry, own) for entry, own in entries)})
    assert config.strategy is not None
    return config.model_copy(update={"strategy": _with(config.strategy, plain[0])})


def _with(entry: Entry, params: dict[str, object]) -> Entry:
    return entry.model_copy(update={"params": params})


def _plain(value: object) -> object:
    """A parameter as it would be written in a file: a number stays one, whatever else it is becomes plain."""
    if isinstance(value, Decimal):
        return json_number(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    plain: object = to_jsonable_python(value)
    return plain
