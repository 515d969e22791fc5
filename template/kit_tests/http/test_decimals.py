"""Decimal numbers are taken as the database stores them, and described as they are taken."""

from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ValidationError

from app.kit.http.decimals import Digits


class Price(BaseModel):
    """What a client sends of a price, and of what goes with it."""

    amount: Annotated[Decimal, Digits(5, 2)]
    share: Annotated[Decimal, Digits(3, 3)] = Decimal(0)
    pieces: Annotated[Decimal, Digits(3, 0)] = Decimal(0)


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        *[("1.50", "1.50"), ("-999.99", "-999.99"), ("0", "0"), ("7.1", "7.1")],
        *[(12, "12"), (12.5, "12.5"), (0.1 + 0.2, "0.3"), (999.99, "999.99"), (-0.07, "-0.07")],
        (Decimal("1.2"), "1.2"),
    ],
    ids=str,
)
def test_number_is_taken_as_it_is_written(sent: Any, taken: str) -> None:
    assert str(Price.model_validate({"amount": sent}).amount) == str(Decimal(taken))


@pytest.mark.parametrize(
    "refused",
    [
        *["", " ", "1,50", "1.505", "1000", "01", "+1", "1e2", ".5", "5."],
        *["1_0", " 1", "1\n", "NaN", "Infinity", "\u0661"],
        *[True, 1000, 1.505, 999.995, 1e300, float("nan"), float("inf"), Decimal("1.505"), None, [1]],
    ],
    ids=ascii,
)
def test_other_input_is_refused(refused: Any) -> None:
    with pytest.raises(ValidationError, match=r"^1 validation error for Price\namount\n"):
        Price.model_validate({"amount": refused})


def test_digits_on_one_side_of_the_point_only() -> None:
    price = Price.model_validate({"amount": 1, "share": "0.125", "pieces": 125.0})
    assert (price.share, price.pieces) == (Decimal("0.125"), Decimal(125))
    for refused in ({"share": "1"}, {"share": "1.125"}, {"pieces": "1.0"}, {"pieces": "1000"}):
        with pytest.raises(ValidationError):
            Price.model_validate({"amount": 1, **refused})


def test_description_says_what_is_taken_and_what_is_answered() -> None:
    text = {"type": "string", "pattern": r"^-?(0|[1-9][0-9]{0,2})(\.[0-9]{1,2})?$"}
    number = {"type": "number", "exclusiveMinimum": -1000, "exclusiveMaximum": 1000, "multipleOf": 0.01}
    sent, answered = (Price.model_json_schema(mode=mode)["properties"] for mode in ("validation", "serialization"))
    assert sent["amount"] == {"title": "Amount", "anyOf": [number, text]}
    assert answered["amount"] == {"title": "Amount", **text}
    assert answered["share"]["pattern"] == r"^-?0(\.[0-9]{1,3})?$"
    assert answered["pieces"]["pattern"] == "^-?(0|[1-9][0-9]{0,2})$"
    assert Price.model_validate({"amount": 1.5}).model_dump_json() == '{"amount":"1.5","share":"0","pieces":"0"}'
