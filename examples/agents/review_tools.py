"""What reviews.yaml names: the form of an answer, and a tool."""

from pydantic import BaseModel, Field


class Verdict(BaseModel):
    """What the model is to answer."""

    score: int = Field(ge=1, le=5)
    reasons: list[str]


def tell_shipping(product: str, problem: str) -> str:
    """Tell the shipping department what went wrong with a parcel.

    Args:
        product: what was in it.
        problem: what went wrong, in a few words.
    """
    return f"noted for {product}: {problem}"  # here a real one would send a message
