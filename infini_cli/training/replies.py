"""What the base model replies to plain requests: what a trained model should go on replying."""

from collections.abc import Sequence
from dataclasses import replace

from infini_cli.nn.generate import Sampling, generate
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.tokenizers.protocol import Tokenizer
from infini_cli.training.prompting import end_of_answer
from infini_cli.training.tasks.sample import Question, Sample


def with_replies(samples: Sequence[Sample], teacher: InfiniTransformer, tokenizer: Tokenizer) -> list[Sample]:
    """The samples with the base model's own replies, greedy, as the answers of questions that ask for them."""
    return [
        replace(sample, questions=tuple(_answered(each, teacher, tokenizer) for each in sample.questions))
        for sample in samples
    ]


def _answered(question: Question, teacher: InfiniTransformer, tokenizer: Tokenizer) -> Question:
    if not question.reply_tokens:
        return question
    sampling = Sampling(max_new_tokens=question.reply_tokens)
    reply = tuple(generate(teacher, question.prompt, (), sampling, stop_ids=tokenizer.eos_ids))
    ended = len(reply) < question.reply_tokens
    return replace(question, answer=(*reply, end_of_answer(tokenizer)) if ended else reply)
