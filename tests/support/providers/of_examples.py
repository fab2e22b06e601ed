"""What the fake model says in the examples: a few rules in place of a mind."""

import json
import re
from typing import Any

from .script import Answer, Ask, Call, Embedded, Reply

TROUBLE = {"broken": "it was broken", "late": "it was late"}


def script(ask: Ask) -> Answer:
    """Answer by what the system message says the model is."""
    if ask.texts:
        return Embedded(tuple(map(vector, ask.texts)))
    system = next((message.text for message in ask.messages if message.role == "system"), "")
    for words, rule in RULES.items():
        if words in system:
            return rule(ask)
    return Reply(f"You said: {ask.last}")


def vector(text: str) -> tuple[float, ...]:
    """Count the words of a text, each in one of 256 places."""
    counts = [0.0] * 256
    for word in re.findall(r"[a-z]{4,}", text.lower()):
        counts[sum(word.encode()) % 256] += 1
    return tuple(counts)


def from_pages(ask: Ask) -> Answer:
    """Answer with the first sentence of the pages that has a long word of the question."""
    words = re.findall(r"[a-z]{6,}", ask.last.lower())
    pages = ask.messages[0].text.partition("\n\n")[2]
    for sentence in re.findall(r"[A-Z][^#.]*\.", pages):
        if any(word in sentence.lower() for word in words):
            return Reply(" ".join(sentence.split()))
    return Reply("The pages do not say.")


def desk(ask: Ask) -> Answer:
    """Look an order up; refund what came broken; answer with what the tools have said."""
    number = int(re.findall(r"[0-9]+", ask.first)[0])
    if not ask.rounds:
        return Reply(calls=(Call("order_status", {"number": number}),))
    status = ask.results[0]
    if "broken" in status and ask.rounds == 1:
        price = float(re.findall(r"[0-9]+\.[0-9]+", status)[0])
        return Reply(calls=(Call("refund", {"order": number, "amount": price}),))
    return Reply(f"Order {number}: {ask.results[-1]}.")


def edit(ask: Ask) -> Answer:
    """Have two things researched at once; answer with both."""
    if not ask.rounds:
        questions = (f"the history of {ask.first}", f"the use of {ask.first}")
        return Reply(calls=tuple(Call("research", {"input": each}) for each in questions))
    return Reply(" ".join(ask.results))


def research(ask: Ask) -> Answer:
    """Look up what is asked for; answer with that."""
    if not ask.rounds:
        what = "history" if "history" in ask.first else "use"
        return Reply(calls=(Call("look_up", {"what": what}),))
    return Reply(ask.results[-1])


def review(ask: Ask) -> Answer:
    """Judge a review; tell shipping first, if something went wrong."""
    product, _, text = ask.first.partition(": ")
    problems = [what for word, what in TROUBLE.items() if word in text]
    if problems and not ask.rounds:
        call = {"product": product, "problem": " and ".join(problems)}
        return Reply(calls=(Call("tell_shipping", call),))
    verdict: dict[str, Any] = {
        "score": 2 if problems else 5,
        "reasons": problems or ["all is well"],
    }
    return Reply(json.dumps(verdict))


def support(ask: Ask) -> Answer:
    """Answer with the first thing that is remembered and has a long word of the question."""
    words = re.findall(r"[a-z]{5,}", ask.last.lower())
    for memory in ask.messages[0].text.split("\n\n")[1].split("\n"):
        if any(word in memory.lower() for word in words):
            return Reply(f"I remember: {memory}")
    return Reply("I do not remember anything of that.")


def summarise(ask: Ask) -> Answer:
    """Keep the first words of each item."""
    items = re.findall(r"^\[\d+\] \([^)]*\) (.*)$", ask.last, re.MULTILINE)
    text = "; ".join(" ".join(item.split()[:8]) for item in items)
    topic = {"summarization": f"Before: {text}", "messages": list(range(len(items)))}
    return Reply(json.dumps({"topic1": topic}))


RULES = {
    "You keep a memory short": summarise,
    "You are the support of a shop": support,
    "You judge reviews": review,
    "You answer from these pages": from_pages,
    "You are the service desk": desk,
    "You are an editor": edit,
    "You are a researcher": research,
}
