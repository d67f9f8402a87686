"""Reading: what each reader is given, and how its answers are scored."""

import pytest
import torch

from infini_cli.answering.prompts import REFUSAL, evidence_messages
from infini_cli.evals import comprehension
from infini_cli.evals.comprehension import LONGEST_ANSWER, READERS, run_reading, shown_part
from infini_cli.evals.results import ResultsFile
from infini_cli.nn.generate import Sampling, fold, generate
from infini_cli.nn.memory import empty_state


def run(subject, corpus, file=None, **options):
    return run_reading(subject, corpus, ResultsFile(file, "reading"), **{"samples": 3, **options})


def test_readers_get_the_prompt_of_ask_and_the_memory_of_the_article(subject, corpus):
    entry = run(subject, corpus, samples=1)
    articles = {article.title: article for article in corpus.passage_sets("squad", "heldout")}
    tokenizer, model = subject.tokenizer, subject.model
    for record in entry["records"]:
        article = articles[record["article"]]
        (question,) = [each for each in article.questions if each.question == record["question"]]
        passage = article.passages[question.needed[0]]
        prompt = tokenizer.encode_chat(evidence_messages(question.question, [passage]))
        empty = empty_state(model.config)
        with torch.inference_mode():
            memory = fold(model, tokenizer.encode("\n\n".join(article.passages)), empty)
        for name, reader, state in (
            ("model", model, memory),
            ("memory_off", model, empty),
            ("base", subject.base, ()),
        ):
            written = generate(reader, prompt, state, Sampling(LONGEST_ANSWER), stop_ids=tokenizer.eos_ids)
            # up to the spare tokens that every answer may take
            assert record["answers"][name].startswith(shown_part(tokenizer.decode(written)))


def test_passages_beside_the_right_one_come_before_it(subject, corpus, monkeypatch):
    shown: list[list[str]] = []

    def messages(question, passages):
        shown.append([question, *passages])
        return evidence_messages(question, passages)

    monkeypatch.setattr(comprehension, "evidence_messages", messages)
    run(subject, corpus, samples=2, passages=3)
    articles = corpus.passage_sets("squad", "heldout")
    for asked, *passages in shown:
        ((article, question),) = [(a, q) for a in articles for q in a.questions if q.question == asked]
        assert len(passages) == len(set(passages)) == 3
        assert passages[-1] == article.passages[question.needed[0]]
        assert set(passages) <= set(article.passages)


def test_right_answers_and_right_refusals_are_told_apart(subject, corpus, monkeypatch):
    """A reader that always knows, one that always refuses, and one that says too much."""

    def write(subject_, model, tokens, state):
        asked = subject.tokenizer.decode(tokens)
        question = asked.rsplit("Question: ", 1)[1].split("assistant")[0].strip()
        (accepted,) = [
            each.answers
            for article in corpus.passage_sets("squad", "heldout")
            for each in article.questions
            if each.question == question
        ]
        if model is subject.base:
            return f"It was {accepted[0]}. Question: Who?" if accepted else "Nobody."
        knows = any(float(layer.norm.sum()) for layer in state)
        return (accepted[0] if accepted else REFUSAL) if knows else REFUSAL

    monkeypatch.setattr(comprehension, "_write", write)
    readers = run(subject, corpus)["readers"]
    assert {name: readers[name]["answerable"] for name in READERS} == dict.fromkeys(READERS, 3)
    assert {name: readers[name]["unanswerable"] for name in READERS} == dict.fromkeys(READERS, 3)
    for name, exact, contained, wrongly, rightly in (
        ("model", 1.0, 1.0, 0.0, 1.0),
        ("memory_off", 0.0, 0.0, 1.0, 1.0),
        ("base", 0.0, 1.0, 0.0, 0.0),
    ):
        reader = readers[name]
        assert (reader["exact"], reader["contained"]) == (exact, contained), name
        assert (reader["refused_wrongly"], reader["refused_rightly"]) == (wrongly, rightly), name
    assert readers["model"]["f1"] == 1.0
    # "it was mason 1 of heldout": four of six words
    assert readers["base"]["f1"] == pytest.approx(2 * (4 / 6) / (4 / 6 + 1), abs=1e-4)


def test_a_run_adds_the_questions_that_are_missing(subject, corpus, tmp_path):
    first = run(subject, corpus, tmp_path / "eval.json", samples=1)
    more = run(subject, corpus, tmp_path / "eval.json", samples=2)
    assert more["records"][:2] == first["records"]
    assert more["readers"]["model"]["answerable"] == more["readers"]["model"]["unanswerable"] == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" In 1887.\n\nQuestion: Who?", "In 1887."),
        ("In 1887. Question: Who?", "In 1887."),
        ("Text: again", ""),
        ("one\ntwo", "one"),
    ],
)
def test_an_answer_ends_where_the_model_asks_itself(text, shown):
    assert shown_part(text) == shown
