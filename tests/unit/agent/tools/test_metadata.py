"""What a model is told about a tool."""

from __future__ import annotations

from pydantic import BaseModel

from tamias import ToolMetadata


def test_metadata_is_the_same_by_a_class_or_by_its_schema() -> None:
    class Arguments(BaseModel):
        amount: int

    by_class = ToolMetadata(name="pay", description="Pays.", args_schema=Arguments)
    schema = Arguments.model_json_schema()
    by_schema = ToolMetadata(name="pay", description="Pays.", args_schema=schema)
    assert by_class == by_schema
    assert hash(by_class) == hash(by_schema)
    assert by_class != ToolMetadata(name="pay", description="Pays.")
    assert by_class != "pay"
