"""The one way a number enters from a file: exact, finite and bounded.

A YAML float is read as the decimal a person wrote, never as its binary neighbour. Nothing here rounds; a number that
would have to be rounded is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

DIGITS_MAX: Final = 15
"""Decimals of up to 15 digits survive the way through a JSON number and back unchanged."""


def exact(value: object) -> Decimal:
    """Return a YAML or JSON number as the decimal that was written; `ValueError` for anything else.

    >>> exact(0.1)
    Decimal('0.1')
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise ValueError("a number is needed")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError("a number is needed, with a point as the decimal mark") from None
    if not number.is_finite():
        raise ValueError("a finite number is needed")
    if number.adjusted() >= DIGITS_MAX or len(number.normalize().as_tuple().digits) > DIGITS_MAX:
        raise ValueError(f"a number of at most {DIGITS_MAX} digits is needed")
    if number.adjusted() < -DIGITS_MAX and number != 0:
        raise ValueError(f"a number of at most {DIGITS_MAX} decimal places is needed")
    return number


def at_most(places: int) -> AfterValidator:
    """Refuse a number of more decimal places than are computed with."""

    def check(value: Decimal) -> Decimal:
        if value != round(value, places):
            raise ValueError(f"a number of at most {places} decimal places is needed")
        return value

    return AfterValidator(check)


def json_number(value: Decimal) -> int | float:
    """Return the JSON number of a decimal: an integer where it is whole, so that 1, 1.0 and 1.00 are one."""
    return int(value) if value == value.to_integral_value() else float(value)


def canonical(value: object) -> object:
    """Return plain JSON values in the one form that is hashed: whole floats as integers, keys as text."""
    if isinstance(value, Decimal):
        return json_number(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [canonical(item) for item in value]
    return value


_NUMBER = WithJsonSchema({"type": "number"})
_TO_JSON = PlainSerializer(json_number, return_type=int | float, when_used="json")

Exact = Annotated[Decimal, BeforeValidator(exact), _TO_JSON, _NUMBER]
"""A number as written."""
NotNegative = Annotated[Decimal, Field(ge=0), BeforeValidator(exact), _TO_JSON, _NUMBER]
"""A number as written, zero or more."""
Positive = Annotated[Decimal, Field(gt=0), BeforeValidator(exact), _TO_JSON, _NUMBER]
"""A number as written, more than zero."""
Percent = Annotated[Decimal, Field(gt=0, le=100), BeforeValidator(exact), at_most(6), _TO_JSON, _NUMBER]
"""A share of a hundred, more than zero, of up to six decimal places."""


def whole(value: object) -> int:
    """Return a whole number that may be written 1000, "1000" or 1000.0; `ValueError` for anything else."""
    number = exact(value)
    if number != number.to_integral_value():
        raise ValueError("a whole number is needed")
    return int(number)


Count = Annotated[int, Field(ge=0), BeforeValidator(whole)]
"""A whole number, zero or more."""
PositiveCount = Annotated[int, Field(ge=1), BeforeValidator(whole)]
"""A whole number, one or more."""
