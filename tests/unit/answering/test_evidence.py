"""Passages found for a question."""

from pathlib import Path

import pytest

from infini_cli.answering.evidence import Evidence, find_evidence
from infini_cli.reading.memory import OpenMemory
from tests.unit.answering.fakes import FILLER, Said, make_memory
from tests.unit.answering.test_listings import CONTENTS, INDEX

LIGHTHOUSE = "The lighthouse at Cape Morrow was built in 1874 by the engineer Edmund Hale."
VALVE = "To open the relief valve, turn the brass handle to the left until the pressure falls."
HYPHENATED = "Before winter comes, the whole of the recon-\nfiguration has to be done by the keeper."


@pytest.fixture
def memory(tmp_path: Path) -> OpenMemory:
    passages = [
        Said(CONTENTS.replace("valve", "relief valve"), section="Contents"),
        *map(Said, FILLER[:12]),
        Said(LIGHTHOUSE, section="The lighthouse"),
        *map(Said, FILLER[12:20]),
        Said(VALVE, section="Relief"),
        Said("The relief came late. A valve is a valve."),
        Said(HYPHENATED),
        Said(INDEX.replace("valve", "relief valve"), section="Index"),
    ]
    return make_memory(tmp_path / "passages.sqlite", passages)


def find(memory: OpenMemory, question: str, limit: int = 3) -> Evidence:
    return find_evidence(memory.passages, question, limit=limit)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Who built the lighthouse?", LIGHTHOUSE),
        ("How do I open the relief valve?", VALVE),
        ("opening relief valves", VALVE),
        ('Where does it say "turn the brass handle"?', VALVE),
        ("When is the reconfiguration to be done?", HYPHENATED),
        ("EDMUND HALE", LIGHTHOUSE),
    ],
)
def test_the_passage_that_answers_comes_first(memory: OpenMemory, question: str, text: str) -> None:
    evidence = find(memory, question)
    assert evidence.bears
    assert evidence.findings[0].passage.text == text


def test_a_table_of_contents_or_an_index_does_not_come_first(memory: OpenMemory) -> None:
    found = [finding.passage.section for finding in find(memory, "relief valve", limit=4).findings]
    assert found[0] == "Relief"
    assert found.index("Relief") < min(found.index(each) for each in found if each in {"Contents", "Index"})


@pytest.mark.parametrize(
    "question",
    ["What is the capital of Norway?", "How do I train a neural network?", "Who was Captain Ahab?"],
)
def test_what_the_document_does_not_speak_of_has_no_bearing_evidence(
    memory: OpenMemory, question: str
) -> None:
    assert not find(memory, question).bears


def test_a_missing_name_says_more_than_a_missing_word(memory: OpenMemory) -> None:
    named = find(memory, "When was the lighthouse of Trondheim built?").bearing
    plain = find(memory, "When was the lighthouse of granite built?").bearing
    assert named < plain


def test_a_document_of_one_page_can_be_asked_in_other_words(tmp_path: Path) -> None:
    memory = make_memory(tmp_path / "passages.sqlite", [Said(LIGHTHOUSE)])
    assert find(memory, "How tall is the lighthouse?").bears
    assert not find(memory, "What is the capital of Norway?").bears


def test_doubles_are_left_out(tmp_path: Path) -> None:
    passages = [
        Said(VALVE),
        *map(Said, FILLER[:6]),
        Said(VALVE + " Slowly."),
        Said("A relief valve may leak."),
    ]
    memory = make_memory(tmp_path / "passages.sqlite", passages)
    texts = [finding.passage.text for finding in find(memory, "relief valve").findings]
    assert len([text for text in texts if text.startswith(VALVE)]) == 1
    assert "A relief valve may leak." in texts


def test_a_question_about_the_whole_document_gets_its_first_prose(memory: OpenMemory) -> None:
    prose = [Said(" ".join(FILLER[n : n + 4]), section="Preface") for n in range(6)]
    long = [Said(CONTENTS, section="Contents"), *prose]
    memory = make_memory(memory.passages.path.with_name("other.sqlite"), long)
    evidence = find(memory, "What is this book about?", limit=2)
    assert evidence.bears
    assert [finding.passage.id for finding in evidence.findings] == [2, 3]


def test_the_search_can_be_kept_to_a_stretch(memory: OpenMemory) -> None:
    last = memory.passages.count()
    evidence = find_evidence(memory.passages, "Who built the lighthouse?", limit=3, first=20, last=last)
    assert all(finding.passage.id >= 20 for finding in evidence.findings)


@pytest.mark.parametrize(
    "question",
    [
        'valve" OR text:"x',
        "NEAR(valve relief)",
        "valve*",
        "section : valve",
        "(((",
        "NOT valve",
        "a AND",
        '"',
        "^valve",
    ],
)
def test_no_question_is_taken_for_search_syntax(memory: OpenMemory, question: str) -> None:
    find(memory, question)
