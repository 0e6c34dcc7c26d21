"""Turn what a model refused into one line that names the file, the dotted key and what to do about it.

It decides how a mistake is told, never whether there is one. An unknown key is answered with the nearest known one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from axiomd.contracts.errors import ConfigError

_CUTOFF: Final = 0.6
_BOUNDS: Final = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal"})


def config_keys(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the keys that a model's mapping may hold."""
    return tuple(model.model_fields)


def config_error(
    problem: ValidationError,
    model: type[BaseModel],
    document: Mapping[str, object],
    source: str,
    place_of: Callable[[str], str],
) -> ConfigError:
    """Return the one error to raise for a model's refusal; further mistakes are counted at its end.

    ``document`` is what was parsed, ``place_of`` gives file and line of a dotted key.
    """
    details = problem.errors(include_url=False)
    # A union reports each branch that failed; the one that got furthest into the document is the one meant.
    depths = [len(_known_part(detail["loc"], document)) for detail in details]
    first = details[depths.index(max(depths))]
    keys = _known_part(first["loc"], document)
    places = (_known_part(detail["loc"], document) for detail in details)
    others = {tuple(place) for place in places if place != keys[: len(place)]}
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] == "extra_forbidden":
        return _unknown_key(keys, model, place_of, more)
    dotted = ".".join(keys)
    place = place_of(dotted) if dotted else source
    if first["type"] == "missing":
        name = str(first["loc"][-1])
        whole = ".".join([*keys, name]) if not keys or keys[-1] != name else dotted
        remedy = "add one more item" if isinstance(first["loc"][-1], int) else f"add {name}"
        return ConfigError(f"{whole} is missing{more}", place, remedy)
    what, remedy = _sentence(first)
    return ConfigError(f"{dotted}: {what}{more}" if dotted else f"{what}{more}", place, remedy)


def _unknown_key(keys: Sequence[str], model: type[BaseModel], place_of: Callable[[str], str], more: str) -> ConfigError:
    *parents, name = keys
    valid = sorted(_keys_at(model, parents))
    near = difflib.get_close_matches(name, valid, n=1, cutoff=_CUTOFF)
    elsewhere = [dotted for dotted in _dotted_keys(model) if dotted.rpartition(".")[2] == name]
    if near:
        remedy = f"did you mean {'.'.join([*parents, near[0]])}?"
    elif elsewhere:
        remedy = f"did you mean {elsewhere[0]}?"
    else:
        remedy = f"known here: {', '.join(valid)}"
    dotted = ".".join(keys)
    return ConfigError(f"unknown key {dotted}{more}", place_of(dotted), remedy)


def _known_part(loc: Iterable[int | str], document: object) -> list[str]:
    """Keep of an error's location what stands in the document; pydantic puts names of types in between."""
    keys: list[str] = []
    for part in loc:
        is_key = isinstance(document, Mapping) and part in document
        is_index = isinstance(document, (list, tuple)) and isinstance(part, int) and part < len(document)
        if is_key or is_index:
            document = document[part]  # type: ignore[index]  # one of the two kinds just asked for
            keys.append(str(part))
    return keys


def _sentence(detail: ErrorDetails) -> tuple[str, str]:
    message = detail["msg"].removeprefix("Value error, ")
    message = message.removeprefix("Input should be ").strip()
    what, colon, remedy = message.partition(": ")
    if detail["type"] == "value_error" and colon:
        return what, remedy
    given = detail.get("input")
    is_plain = isinstance(given, (str, int, float, Decimal)) and len(str(given)) <= 40
    text = str(given) if isinstance(given, Decimal) else repr(given)
    shown = f"{text} cannot be used" if is_plain else "this cannot be used"
    if detail["type"] == "value_error":
        is_named = not is_plain or str(given) in message
        return (message if is_named else f"{message}, not {text}"), "mend the value"
    if detail["type"] in ("model_type", "dict_type", "model_attributes_type"):
        message = "a mapping, as in {key: value}"
    elif detail["type"] == "too_short":
        shown, message = "it is empty", "at least one"
    elif detail["type"] == "string_pattern_mismatch":
        message = f"text of the pattern {detail['ctx']['pattern']}"
    elif detail["type"] in _BOUNDS:
        message = f"a number {message}"
    return shown, f"give {message[0].lower()}{message[1:]}" if message else "mend the value"


def _models_in(annotation: Any) -> list[type[BaseModel]]:  # a type annotation has no narrower type
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _keys_at(model: type[BaseModel], parents: Sequence[str]) -> set[str]:
    models = [model]
    for name in parents:
        if any(name in each.model_fields for each in models):
            models = [
                inner
                for each in models
                if name in each.model_fields
                for inner in _models_in(each.model_fields[name].annotation)
            ]
        # else: an index of a list or a symbol of a mapping; its items have the models found already
    return {key for each in models for key in each.model_fields}


def _dotted_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        for inner in _models_in(field.annotation):
            keys.extend(_dotted_keys(inner, f"{prefix}{name}."))
    return keys
