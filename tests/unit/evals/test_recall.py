"""Recall: cells, controls, baselines, and going on."""

import json
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch

from infini_cli.evals import tasks
from infini_cli.evals.asking import prompt_of
from infini_cli.evals.baselines import BASELINES, run_baseline
from infini_cli.evals.controls import CONTROLS, Asked, run_control, shown_in_window
from infini_cli.evals.plot import heat_map
from infini_cli.evals.recall import Progress, RecallOptions, RecallTask, run_recall
from infini_cli.evals.results import ResultsFile
from infini_cli.nn.generate import Sampling, generate
from infini_cli.nn.memory import empty_state, take_rows
from infini_cli.training.tasks.sample import Setting

SMALL = RecallOptions(lengths=(1024,), depths=(0.0, 1.0), samples=3, batch=2)


def asked_of(subject, corpus, task: RecallTask, kind: str, documents: int = 2) -> Asked:
    """Documents of one task, read, with their questions."""
    setting = Setting(corpus, subject.tokenizer, 8, subject.segment_length, "heldout")
    depth = 0.5 if task.at_depths else None
    samples = [task.make(Random(f"{kind}/{each}"), setting, kind, depth) for each in range(documents)]
    read = np.stack([sample.segments for sample in samples])
    with torch.inference_mode():
        state = subject.model.read(torch.from_numpy(read), empty_state(subject.model.config, documents))
    rows = [row for row, sample in enumerate(samples) for _ in sample.questions]
    return Asked(read, state, [q for sample in samples for q in sample.questions], rows, task.in_chat)


def spoken(subject, model, tokens, state, most: int) -> str:
    ids = generate(model, list(tokens), state, Sampling(most), stop_ids=subject.tokenizer.eos_ids)
    return subject.tokenizer.decode(ids)


@pytest.mark.parametrize(
    ("task", "kind", "per_document"),
    [
        (tasks.passkey(), "filler", 1),
        (tasks.passkey(("prose",), "continuation"), "prose", 1),
        (tasks.needle(("word",)), "word", 4),
        (tasks.needle(("uuid",), "ruler"), "uuid", 4),
        (tasks.babilong(("qa1",)), "qa1", None),
    ],
    ids=["passkey", "continuation", "needle", "ruler", "babilong"],
)
def test_every_question_is_counted_once(subject, corpus, task, kind, per_document):
    entry = run_recall(task, subject, corpus, SMALL, ResultsFile(None, task.name))
    documents = 6 if task.at_depths else 3
    n = sum(cell["n"] for cell in entry["cells"])
    assert n == len(entry["records"]) == sum(total["n"] for total in entry["totals"])
    if per_document is not None:
        assert n == documents * per_document
    assert {record["kind"] for record in entry["records"]} == {kind}
    assert all(record["bin"] in (0.0, 1.0) for record in entry["records"])
    # 1024 tokens are 8 segments of 128; filler before the key is read once for all documents
    assert 0 < entry["run"]["tokens_read"] <= 1024 * documents


@pytest.mark.parametrize("kind", ["number", "word", "uuid"])
def test_rulers_needles_stand_where_they_are_said_to(subject, corpus, kind):
    setting = Setting(corpus, subject.tokenizer, 16, subject.segment_length, "heldout")
    sample = tasks.needle((kind,), "ruler").make(Random(1), setting, kind, None)
    text = subject.tokenizer.decode(sample.segments.reshape(-1).tolist())
    flowing = " ".join(text.split())
    assert flowing.startswith(f"A special magic {kind} is hidden within the following text.")
    assert len(sample.questions) == 4
    for question in sample.questions:
        key = question.text.split(" for ")[1].split(" mentioned")[0]
        said = f"One of the special magic {kind}s for {key} is: {question.accepted[0]}."
        assert said in flowing
        # one byte is one token here, and lines are broken at spaces only
        assert abs(flowing.index(said) / len(flowing) - question.depth) < 0.02
        assert subject.tokenizer.decode(question.answer) == question.accepted[0]


def test_answers_are_those_of_the_documents_own_memory(subject, corpus):
    """Read and decoded one by one, every document gives the answers that the batches gave."""
    task = tasks.needle(("number",))
    entry = run_recall(task, subject, corpus, SMALL, ResultsFile(None, "needle"))
    setting = Setting(corpus, subject.tokenizer, 8, subject.segment_length, "heldout")
    expected = []
    for document in range(3):
        sample = task.make(Random(f"1/needle/number/1024/None/{document}"), setting, "number", None)
        tokens = torch.from_numpy(sample.segments).unsqueeze(0)
        state = subject.model.read(tokens, empty_state(subject.model.config))
        for question in sample.questions:
            most = prompt_of(question).most_tokens
            expected.append(spoken(subject, subject.model, question.prompt, state, most))
    written = [record["answer"] for record in entry["records"]]
    # rows of one batch share the longest limit of their batch
    assert all(one.startswith(other) for one, other in zip(written, expected, strict=True))


def test_controls_take_the_memory_away(subject, corpus):
    asked = asked_of(subject, corpus, tasks.needle(("word",)), "word")
    empty = empty_state(subject.model.config)
    others = {name: run_control(name, subject, asked) for name in CONTROLS}
    for index, (question, row) in enumerate(zip(asked.questions, asked.rows, strict=True)):
        other = take_rows(asked.state, torch.tensor([1 - row]))
        most = prompt_of(question).most_tokens
        window = (*asked.documents[row, -1].tolist(), *question.prompt)
        cut = shown_in_window(subject, asked.documents[row].reshape(-1), question, in_chat=True, ends="both")
        for name, model, tokens, state in (
            ("memory_off", subject.model, question.prompt, empty),
            ("other_memory", subject.model, question.prompt, other),
            ("local_window", subject.model, window, empty),
            ("truncation", subject.base, cut.tokens, ()),
        ):
            assert others[name][index].startswith(spoken(subject, model, tokens, state, most)), name


def test_another_memory_needs_another_document(subject, corpus):
    asked = asked_of(subject, corpus, tasks.passkey(), "filler", documents=1)
    assert run_control("other_memory", subject, asked) is None


@pytest.mark.parametrize("ends", ["both", "last"])
@pytest.mark.parametrize("in_chat", [True, False])
def test_a_truncated_document_fits_its_window(subject, corpus, ends, in_chat):
    asked = asked_of(subject, corpus, tasks.passkey(), "filler")
    question, document = asked.questions[0], asked.documents[0].reshape(-1)
    small = replace(subject, window=600)
    prompt = shown_in_window(small, document, question, in_chat=in_chat, ends=ends)
    assert 400 < len(prompt.tokens) + prompt.most_tokens <= 600
    shown = subject.tokenizer.decode(prompt.tokens)
    assert question.text in shown
    # the beginning of the document is its introduction
    assert ("There is an important info" in shown) == (ends == "both")
    whole = shown_in_window(replace(subject, window=4096), document, question, in_chat=in_chat, ends=ends)
    assert subject.tokenizer.decode(document.tolist()) in subject.tokenizer.decode(whole.tokens)


def test_baselines_answer_every_question(subject, corpus):
    asked = asked_of(subject, corpus, tasks.needle(("number",)), "number")
    for name in BASELINES:
        assert len(run_baseline(name, subject, asked)) == len(asked.questions)


def test_a_stopped_run_goes_on_to_the_same_results(subject, corpus, tmp_path):
    task = tasks.needle(("number", "word"))
    whole = run_recall(task, subject, corpus, SMALL, ResultsFile(tmp_path / "whole.json", "needle"))

    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.questions >= 12:
            raise Stop

    with pytest.raises(Stop):
        run_recall(
            task, subject, corpus, SMALL, ResultsFile(tmp_path / "cut.json", "needle"), on_progress=stop
        )
    before = json.loads((tmp_path / "cut.json").read_text())["evaluations"]["needle"]
    assert 0 < len(before["records"]) < len(whole["records"])
    seen: list[Progress] = []
    rest = run_recall(
        task, subject, corpus, SMALL, ResultsFile(tmp_path / "cut.json", "needle"), on_progress=seen.append
    )
    for part in ("cells", "totals", "records"):
        assert rest[part] == whole[part]
    assert rest["run"]["tokens_read"] == whole["run"]["tokens_read"]
    assert seen[-1].tokens_read < whole["run"]["tokens_read"]
    assert (
        json.loads((tmp_path / "cut.json").read_text())["evaluations"]["needle"]["records"]
        == whole["records"]
    )


def test_more_samples_lengths_and_controls_add_to_what_is_there(subject, corpus, tmp_path):
    task, file = tasks.passkey(), ResultsFile(tmp_path / "eval.json", "passkey")
    first = run_recall(task, subject, corpus, replace(SMALL, samples=2), file)
    more = run_recall(task, subject, corpus, replace(SMALL, samples=2, lengths=(1024, 2048)), file)
    assert [record for record in more["records"] if record["length"] == 1024] == first["records"]
    assert {total["length"]: total["n"] for total in more["totals"]} == {1024: 4, 2048: 4}
    again = run_recall(task, subject, corpus, replace(SMALL, samples=3, controls=("memory_off",)), file)
    assert {total["length"]: total["n"] for total in again["totals"]} == {1024: 6, 2048: 4}
    by_length = {total["length"]: total for total in again["totals"]}
    assert by_length[1024]["controls"]["memory_off"]["n"] == 6
    assert "controls" not in by_length[2048]
    answers = {(r["bin"], r["document"]): r["answer"] for r in first["records"]}
    assert {
        place: answer
        for place, answer in (
            ((r["bin"], r["document"]), r["answer"]) for r in again["records"] if r["length"] == 1024
        )
        if place in answers
    } == answers


def test_a_model_that_recalls_is_seen_to(subject, corpus, monkeypatch):
    """Right answers are counted as right, only for the model with its memory, and where they belong."""

    def answers(model, prompts, state, tokenizer, *, check_first=True):
        return [tokenizer.decode(p.answer) if check_first else "no" for p in prompts]

    for module in ("recall", "controls", "baselines"):
        monkeypatch.setattr(f"infini_cli.evals.{module}.greedy_answers", answers)
    options = replace(SMALL, lengths=(2048,), controls=CONTROLS, baselines=("plain_window",))
    for task in (tasks.passkey(), tasks.needle(), tasks.babilong()):
        entry = run_recall(task, subject, corpus, options, ResultsFile(None, task.name))
        for total in entry["totals"]:
            assert total["exact"] == total["contained"] == 1.0
            assert {c["exact"] for c in total["controls"].values() if c["n"]} == {0.0}


def test_the_heat_map_is_a_picture(subject, corpus, tmp_path):
    task = tasks.needle(("number", "uuid"))
    entry = run_recall(task, subject, corpus, replace(SMALL, samples=2), ResultsFile(None, "needle"))
    heat_map(entry, "needle", tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
