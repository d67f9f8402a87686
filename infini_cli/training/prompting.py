"""Answered conversations as token ids, split into what is given and what is to be learned."""

from infini_cli.answering.prompts import Messages
from infini_cli.tokenizers.protocol import Tokenizer


def as_within(tokenizer: Tokenizer, text: str) -> str:
    """The text as it stands inside a sentence: with a space before it, where the tokenizer makes that part of a word.

    What is recalled token for token should have the tokens that it has in the document; white space around an answer
    is not shown.
    """
    first = tokenizer.decode(tokenizer.encode(" " + text)[:1])
    return " " + text if first.strip() else text


def end_of_answer(tokenizer: Tokenizer) -> int:
    """The token that ends an answer."""
    return close_answer(tokenizer, [{"role": "user", "content": "?"}], ".")[1][-1]


def close_answer(
    tokenizer: Tokenizer, messages: Messages, answer: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids of a conversation up to the answer, and of the answer with the token that ends it.

    Raises:
        ValueError: the template does not begin an answer at its generation prompt, or never ends one.
    """
    prompt = tokenizer.encode_chat(messages)
    whole = tokenizer.encode_chat(
        [*messages, {"role": "assistant", "content": answer}], add_generation_prompt=False
    )
    if whole[: len(prompt)] != prompt:
        raise ValueError("the chat template does not begin an answer where its generation prompt ends")
    rest = whole[len(prompt) :]
    ends = [place for place, token in enumerate(rest) if token in tokenizer.eos_ids]
    if not ends:
        raise ValueError("the chat template does not close an answer")
    return tuple(prompt), tuple(rest[: ends[0] + 1])
