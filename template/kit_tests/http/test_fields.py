"""Field types say what clients may send, in the schema as in what is refused."""

import pytest
from pydantic import BaseModel, ValidationError

from app.kit.http.fields import LEFT_OUT, Omittable, Text


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
