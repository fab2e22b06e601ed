"""An agent with an embedding model, as a file for commands that load it."""

AGENT = '''
"""An agent whose embedding model knows drinks from places, and writes down what it is asked."""

from pathlib import Path

from tamias import (
    Agent, BaseEmbeddingModelConnection, BaseEmbeddingModelSetup, InputEvent, ResourceDescriptor,
    action, embedding_model_connection, embedding_model_setup,
)

print("imported")
MODEL, DIMENSIONS = "topics-1", 2


class Topics(BaseEmbeddingModelConnection):
    def embed(self, text, **kwargs):
        if not isinstance(text, str):
            return [self.embed(one) for one in text]
        with (Path(__file__).parent / "asked").open("a") as log:
            log.write(f"{text}\\n")
        vector = [1.0, 0.1] if "tea" in text or "drink" in text else [0.1, 1.0]
        return vector + [0.0] * (DIMENSIONS - 2)


class Setup(BaseEmbeddingModelSetup):
    @property
    def model_kwargs(self):
        return {}


class Shop(Agent):
    @embedding_model_connection
    @staticmethod
    def here():
        return ResourceDescriptor(clazz=Topics)

    @embedding_model_setup
    @staticmethod
    def topics():
        return ResourceDescriptor(clazz=Setup, connection="here", model=MODEL)

    @action(InputEvent)
    @staticmethod
    def go(event, ctx):
        pass
'''
