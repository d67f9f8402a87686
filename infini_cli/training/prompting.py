"""Answered conversations as token ids, split into what is given and what is to be learned."""

from infini_cli.answering.prompts import Messages
from infini_cli.tokenizers.protocol import Tokenizer


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
