"""What OpenAI's two protocols share: keys, models, errors, embeddings."""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any

from .dialect import Dialect, RefusalError, json_body, json_response, tokens
from .script import Ask, Call, Embedded, Fault, Message

if TYPE_CHECKING:
    from .http import Request, Response

CODES = {
    400: ("invalid_request_error", ""),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "model_not_found"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", ""),
    503: ("server_error", "overloaded"),
}
REASONING = ("o1", "o3", "o4", "gpt-5")
"""How the names of models begin that reason, and take no sampling parameters."""


class OpenAICommon(Dialect):
    """The part of both protocols."""

    def vectors(self, ask: Ask, embedded: Embedded) -> Response:
        """Give vectors, as numbers or in base64."""
        packed = ask.body.get("encoding_format") == "base64"
        used = sum(tokens(text) for text in ask.texts)
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(struct.pack(f"<{len(each)}f", *each)).decode()
                if packed
                else list(each),
            }
            for index, each in enumerate(embedded.vectors)
        ]
        usage = {"prompt_tokens": used, "total_tokens": used}
        return json_response(
            {"object": "list", "data": data, "model": ask.model, "usage": usage},
            delay=embedded.delay,
        )

    def error(self, fault: Fault) -> Response:
        """Give an error."""
        kind, code = CODES.get(fault.status, ("server_error", ""))
        if fault.code == "insufficient_quota":
            kind = "insufficient_quota"
        message = fault.message or f"The fake has been told to answer {fault.status}."
        error = {"message": message, "type": kind, "param": None, "code": fault.code or code}
        if not error["code"]:
            error["code"] = None
        headers = {"x-request-id": "req_fake", **fault.headers}
        return json_response({"error": error}, status=fault.status, headers=headers)

    def check_key(self, request: Request) -> None:
        """Refuse a request with a wrong key, as Azure's and others' clients send it."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        given = given or request.headers.get("api-key", "")
        if self.keys and given not in self.keys:
            # As the real one does, it repeats a part of the key.
            shown = f"{given[:4]}{'*' * 8}{given[-4:]}"
            raise RefusalError(
                401, f"Incorrect API key provided: {shown}. You can find yours at home."
            )

    def check_model(self, model: object) -> str:
        """Refuse a request for a model that there is not."""
        if not isinstance(model, str) or not model:
            raise RefusalError(400, "you must provide a model parameter")
        if self.models and model not in self.models:
            raise RefusalError(
                404, f"The model `{model}` does not exist or you do not have access."
            )
        return model

    def check_length(self, messages: tuple[Message, ...]) -> None:
        """Refuse a conversation that is too long."""
        length = sum(len(message.text) for message in messages)
        if length > self.context:
            message = (
                f"This model's maximum context length is {self.context // 4} tokens. However, your"
                f" messages resulted in {length // 4} tokens."
            )
            raise RefusalError(400, message, "context_length_exceeded")

    def list_models(self) -> Response:
        """List the models."""
        names = sorted(self.models) or ["fake"]
        data = [{"id": each, "object": "model", "created": 1, "owned_by": "fake"} for each in names]
        return json_response({"object": "list", "data": data})

    def ask_vectors(self, request: Request, number: int) -> Ask:
        """Understand a request for vectors."""
        body = json_body(request)
        given = body.get("input", [])
        texts = (given,) if isinstance(given, str) else tuple(given)
        if not texts or len(texts) > 2048 or not all(texts):
            raise RefusalError(
                400, "'$.input' is invalid: give 1 to 2048 texts, none of them empty."
            )
        return Ask(
            provider="openai",
            model=self.check_model(body.get("model")),
            texts=texts,
            body=body,
            headers=request.headers,
            number=number,
        )


def check_sampling(model: str, body: dict[str, Any], *unknown: str) -> None:
    """Refuse what models that reason do not take."""
    if not model.startswith(REASONING):
        if body.get("reasoning_effort") or body.get("reasoning"):
            raise RefusalError(400, "Unrecognized request argument supplied: reasoning_effort")
        return
    for name in ("temperature", "top_p", "logprobs", *unknown):
        if body.get(name) is not None:
            raise RefusalError(
                400,
                f"Unsupported parameter: '{name}' is not supported with this model.",
                "unsupported_parameter",
            )


def check_strict(name: str, schema: dict[str, Any]) -> None:
    """Refuse a schema that is to be strict and is not."""
    for each in _objects(schema):
        names = list(each.get("properties", {}))
        if each.get("additionalProperties") is not False:
            raise RefusalError(
                400,
                f"Invalid schema for '{name}': 'additionalProperties' is required to be supplied"
                " and to be false.",
            )
        if sorted(each.get("required", [])) != sorted(names):
            raise RefusalError(
                400,
                f"Invalid schema for '{name}': 'required' is required to be supplied and to be an"
                " array including every key in properties.",
            )


def _objects(schema: Any) -> list[dict[str, Any]]:
    found = []
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            found.append(schema)
        for each in schema.values():
            found += _objects(each)
    elif isinstance(schema, list):
        for each in schema:
            found += _objects(each)
    return found


def arguments_text(call: Call) -> str:
    """Write the arguments of a call as the protocol does: as a text."""
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def sse(data: Any, event: str = "") -> bytes:
    """Write one event of a stream."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()
