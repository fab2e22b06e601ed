"""Where outputs go: the contract (`base`), a Python list (`collect`), JSON lines (`jsonlines`)."""

from .appendfile import OutputClosedError
from .base import Sink
from .collect import CollectSink
from .jsonlines import JsonLinesSink

__all__ = ["CollectSink", "JsonLinesSink", "OutputClosedError", "Sink"]
