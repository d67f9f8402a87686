"""Summaries: that all of a document is told, in order, and nothing that it does not say."""

import itertools
from pathlib import Path

import pytest

from infini_cli.answering.summary import LENGTHS, LengthName, Summary, SummaryPart, summarize
from infini_cli.reading.memory import OpenMemory
from tests.unit.answering.fakes import FILLER, Said, ScriptedWriter, make_memory

# one subject and what is said of it first; no two of these say much the same
OPENINGS = {
    "lighthouse": "The old lighthouse belongs to Martha Quill, who inherited a fortune from a baker.",
    "ferry": "A ferry of green planks crosses twice a day unless fog hides the landing.",
    "quarry": "Nobody has cut slate in the quarry since its deepest pit filled with rain.",
    "orchard": "Bees from nine hives keep the orchard heavy with pears until October.",
    "brewery": "Malt is dried over beech fires, which gives the brewery its smoky reputation.",
    "railway": "Engineers laid the narrow railway across a marsh on bundles of willow.",
    "harbour": "Two stone arms shelter the harbour, and a chain closes it against raiders.",
    "windmill": "Flour dust exploded inside the windmill and threw its cap into a field.",
}
SUBJECTS = list(OPENINGS)
INVENTED = "The emperor of Mars invited everyone to a magnificent banquet in the year 3021."


def chapter(subject: str) -> list[Said]:
    """Three passages about one thing, each with a sentence about something else."""
    facts = [
        OPENINGS[subject],
        f"Every spring the {subject} is painted by the people who live near the {subject} gate.",
        f"In the winter of 1874 the {subject} burned, and the {subject} was built again in brick.",
    ]
    asides = [
        "Nobody could remember a colder summer than that one.",
        "Letters from abroad were read aloud after supper.",
        "A travelling dentist came twice and stayed for tea.",
    ]
    title = f"The {subject}"
    return [Said(f"{aside} {fact}", title) for aside, fact in zip(asides, facts, strict=True)]


@pytest.fixture
def memory(tmp_path: Path) -> OpenMemory:
    return make_memory(tmp_path / "passages.sqlite", [said for each in SUBJECTS for said in chapter(each)])


def told(
    memory: OpenMemory, *replies: str, length: LengthName = "medium", focus: str | None = None
) -> Summary:
    return summarize(memory, ScriptedWriter(replies or [INVENTED]), length=length, focus=focus)


@pytest.mark.parametrize("length", ["short", "medium", "long"])
def test_all_of_the_document_is_told_in_order(memory: OpenMemory, length: LengthName) -> None:
    parts = told(memory, length=length).parts
    assert parts[0].first.id == 1
    assert parts[-1].last.id == memory.passages.count()
    assert all(one.last.id + 1 == other.first.id for one, other in itertools.pairwise(parts))
    assert len(parts) <= LENGTHS[length].parts
    for part in parts:
        assert any(subject in part.text for subject in SUBJECTS)


def test_longer_is_longer(memory: OpenMemory) -> None:
    lengths = [
        sum(len(part.text) for part in told(memory, length=length).parts)
        for length in ("short", "medium", "long")
    ]
    assert lengths[0] < lengths[1] < lengths[2]


def test_a_sentence_of_the_model_that_holds_is_told(memory: OpenMemory) -> None:
    sentence = "Martha Quill, who inherited a fortune, has the old lighthouse."
    assert told(memory, sentence).parts[0].sentences[0] == sentence


def test_what_the_model_invents_gives_way_to_the_documents_own_sentences(memory: OpenMemory) -> None:
    summary = told(memory, INVENTED)
    text = " ".join(" ".join(passage.text.split()) for passage in memory.passages.passages_between(1, 99))
    for part in summary.parts:
        assert all(sentence in text for sentence in part.sentences)
    assert "Mars" not in summary.text


def test_the_whole_speaks_of_all_of_the_document(memory: OpenMemory) -> None:
    summary = told(memory)
    said = [
        number for number, part in enumerate(summary.parts) if any(s in summary.text for s in part.sentences)
    ]
    assert len(said) == LENGTHS["medium"].whole
    assert said[0] < 3 <= said[1] < 5 <= said[2]  # of eight parts


def test_every_sentence_has_a_citation_from_its_part(memory: OpenMemory) -> None:
    for part in told(memory).parts:
        assert len(part.citations) == len(part.sentences)
        for citation in part.citations:
            assert part.first.page <= citation.page <= part.last.page
            texts = [passage.text for passage in memory.passages.on_page(1, citation.page)]
            assert any(citation.quote in text for text in texts)


def test_with_a_focus_only_what_speaks_of_it_is_told(memory: OpenMemory) -> None:
    summary = told(memory, focus="the brewery")
    assert summary.parts
    assert all("brewery" in sentence for part in summary.parts for sentence in part.sentences)
    assert told(memory, focus="quantum gravity").parts == ()


def test_parts_are_given_out_as_they_are_done(memory: OpenMemory) -> None:
    events: list[object] = []
    summary = summarize(
        memory,
        ScriptedWriter([INVENTED]),
        on_progress=lambda number, total: events.append((number, total)),
        on_part=events.append,
    )
    total = len(summary.parts)
    expected: list[object] = []
    for number, part in enumerate(summary.parts, start=1):
        expected += [(number, total), part]
    assert events == [*expected, (total + 1, total)]
    assert all(isinstance(event, tuple | SummaryPart) for event in events)


def test_a_short_text_is_told_in_more_than_one_sentence(tmp_path: Path) -> None:
    memory = make_memory(tmp_path / "passages.sqlite", [Said(" ".join(FILLER[:6]))])
    summary = told(memory)
    assert len(summary.parts) == 1
    assert len(summary.parts[0].sentences) == LENGTHS["medium"].sentences
    assert summary.text == summary.parts[0].text


@pytest.mark.parametrize("texts", [[], ["12 13 14", "x = 3; y = 4"]])
def test_what_holds_no_sentences_has_no_summary(tmp_path: Path, texts: list[str]) -> None:
    summary = told(make_memory(tmp_path / "passages.sqlite", [Said(text) for text in texts]))
    assert (summary.parts, summary.text) == ((), "")
