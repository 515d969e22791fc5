"""Field types say what clients may send, in the schema as in what is refused."""

import pytest
from pydantic import BaseModel, ValidationError

from app.kit.http.fields import LEFT_OUT, Day, Moment, Omittable, Text


class Dated(BaseModel):
    """A day and a time."""

    day: Day
    moment: Moment


class ItemPatch(BaseModel):
    """What changes about an item."""

    name: Omittable[Text] = LEFT_OUT
    note: Text | None = None


def test_field_may_be_left_out_where_null_is_refused() -> None:
    for sent in ({}, {"name": "new"}, {"note": None}):
        assert ItemPatch.model_validate(sent).model_dump(exclude_unset=True) == sent
    assert ItemPatch().name is None
    with pytest.raises(ValidationError, match=r"name\n  Input should be a valid string"):
        ItemPatch.model_validate({"name": None})
    schema = ItemPatch.model_json_schema()
    assert schema.get("required", []) == []
    assert schema["properties"]["name"] == {"pattern": "^[^\\x00]*$", "title": "Name", "type": "string"}


DATED = {"day": "2026-12-31", "moment": "2026-12-31T23:59:59Z"}


@pytest.mark.parametrize("field", DATED)
@pytest.mark.parametrize("sent", [0, 86_400, 1.0, True, "0", "1767225600", " -1.5 "])
def test_number_is_no_day_and_no_time(field: str, sent: object) -> None:
    assert Dated.model_validate(DATED).model_dump(mode="json") == DATED
    with pytest.raises(ValidationError, match=rf"{field}\n  Input should be a date or time"):
        Dated.model_validate({**DATED, field: sent})
