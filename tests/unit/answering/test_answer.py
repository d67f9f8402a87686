"""Answers: what is passed on, what is held back, what is cited."""

from pathlib import Path

import pytest

from infini_cli.answering.answer import NOT_FOUND, NOT_HELD, SURE_FROM, Answer, answer, answer_from_memory
from infini_cli.answering.prompts import REFUSAL
from infini_cli.reading.memory import OpenMemory
from tests.unit.answering.fakes import FILLER, Said, ScriptedWriter, make_memory

LIGHTHOUSE = (
    "The lighthouse at Cape Morrow was built in 1874 by the engineer Edmund Hale. It is 31 metres high, and its"
    " light is seen from 19 miles away."
)
QUESTION = "Who built the lighthouse?"
RIGHT = "Edmund Hale built it in 1874."


@pytest.fixture
def memory(tmp_path: Path) -> OpenMemory:
    passages = [
        *map(Said, FILLER[:8]),
        Said(LIGHTHOUSE, section="The lighthouse"),
        Said("The lighthouse was painted white by sailors.", page=9),
        Said("No one ever saw the lighthouse burn."),
        *map(Said, FILLER[8:16]),
        Said("The old lighthouse lamp was sold."),
    ]
    return make_memory(tmp_path / "passages.sqlite", passages)


def ask(
    memory: OpenMemory, *replies: str, question: str = QUESTION, **options: int
) -> tuple[Answer, list[str]]:
    pieces: list[str] = []
    result = answer(question, memory, ScriptedWriter(replies), on_text=pieces.append, **options)
    return result, pieces


def test_a_supported_answer_is_given_with_the_place_that_says_so(memory: OpenMemory) -> None:
    result, pieces = ask(memory, RIGHT)
    assert (result.text, result.found, result.source, result.quoted) == (RIGHT, True, "evidence", False)
    assert pieces == [RIGHT]
    first = result.citations[0]
    assert (first.document, first.page, first.page_label, first.section) == (
        "book1.pdf",
        9,
        "p9",
        "The lighthouse",
    )
    assert first.quote == "The lighthouse at Cape Morrow was built in 1874 by the engineer Edmund Hale."


def test_what_follows_a_right_start_but_is_invented_is_left_out(memory: OpenMemory) -> None:
    result, pieces = ask(memory, f"{RIGHT} He was born in London and loved sailing.")
    assert result.text == RIGHT
    assert "".join(pieces) == RIGHT


def test_further_sentences_are_kept_while_they_hold(memory: OpenMemory) -> None:
    more = f"{RIGHT} Its light is seen from 19 miles away. Its light is seen from 19 miles away."
    result, pieces = ask(memory, more)
    assert result.text == f"{RIGHT} Its light is seen from 19 miles away."
    assert len(pieces) == 2


def test_the_model_is_stopped_at_the_first_sentence_that_does_not_hold(memory: OpenMemory) -> None:
    writer = ScriptedWriter([f"{RIGHT} He was born in London. " + "He sailed. " * 50])
    answer(QUESTION, memory, writer)
    assert len(writer.given) < 80


@pytest.mark.parametrize(
    "reply",
    [
        "It was built by John Smeaton.",
        "It was built in 1912 by Edmund Hale.",
        "The lighthouse was built.",
        "",
    ],
    ids=["name", "number", "nothing", "silence"],
)
def test_an_unsupported_answer_gives_way_to_the_documents_own_sentence(
    memory: OpenMemory, reply: str
) -> None:
    result, pieces = ask(memory, reply)
    assert result.quoted
    assert result.found
    assert result.text.startswith("The document says: “The lighthouse at Cape Morrow was built in 1874")
    assert "".join(pieces) == result.text
    assert result.citations[0].page == 9


def test_the_place_that_says_the_first_sentence_comes_first(tmp_path: Path) -> None:
    passages = [
        *map(Said, FILLER[:8]),
        Said("The default file retention period is 60 days."),
        Said("The default job retention period is 180 days, and the file retention period is another."),
    ]
    memory = make_memory(tmp_path / "passages.sqlite", passages)
    reply = "The file retention period is 60 days. The default job retention period is 180 days."
    result, _ = ask(memory, reply, question="What is the default file retention period?")
    assert result.text == reply
    assert result.citations[0].page == 9


@pytest.mark.parametrize("limit", [1, 3])
def test_what_is_quoted_is_what_is_cited_first(memory: OpenMemory, limit: int) -> None:
    for question in (QUESTION, "lighthouse lamp", "Who painted the lighthouse?"):
        result, _ = ask(memory, "No idea.", question=question, citations=limit)
        assert result.quoted
        assert result.citations[0].quote in result.text


def test_what_is_quoted_is_cited_also_when_another_passage_is_found_first(tmp_path: Path) -> None:
    passages = [
        *map(Said, FILLER[:8]),
        Said(
            "The retention of a file by default is a matter of taste. The period of a file by default is short."
            " The retention period matters, and the default matters, and the file matters."
        ),
        Said(
            "Nobody reads manuals. The default file retention period is 60 days. Whoever reads them learns more, and"
            " much else besides, and is happier, and lives longer, and has friends, and never loses anything at all."
        ),
    ]
    memory = make_memory(tmp_path / "passages.sqlite", passages)
    question = "What is the default file retention period?"
    result, _ = ask(memory, "No idea.", question=question, citations=1)
    assert result.text == "The document says: “The default file retention period is 60 days.”"
    assert [citation.quote for citation in result.citations] == [
        "The default file retention period is 60 days."
    ]


def test_a_sentence_cut_off_by_the_limit_is_not_passed_on(memory: OpenMemory) -> None:
    writer = ScriptedWriter([f"{RIGHT} Its light is seen from 19 miles away."], limit=len(RIGHT) + 20)
    assert answer(QUESTION, memory, writer).text == RIGHT


def test_an_answer_without_a_full_stop_counts_when_the_model_ended_it(memory: OpenMemory) -> None:
    assert ask(memory, "Edmund Hale")[0].text == "Edmund Hale"


def test_an_announced_list_is_given_with_its_items_or_not_at_all(memory: OpenMemory) -> None:
    listed = "The lighthouse was built by an engineer:\n- the engineer Edmund Hale\n- the keeper of Mars"
    result, pieces = ask(memory, listed)
    assert result.text == "The lighthouse was built by an engineer:\n- the engineer Edmund Hale"
    assert len(pieces) == 1
    assert ask(memory, "The lighthouse at Cape Morrow was built by:\n- John Smeaton")[0].quoted


def test_a_single_item_is_a_plain_sentence(memory: OpenMemory) -> None:
    assert ask(memory, f"- {RIGHT}")[0].text == RIGHT


def test_the_model_asking_itself_is_not_passed_on(memory: OpenMemory) -> None:
    assert ask(memory, f"{RIGHT}\n\nQuestion: Who built the lighthouse at Cape Morrow?")[0].text == RIGHT


def test_a_refusal_is_an_answer_not_found_with_the_nearest_passages(memory: OpenMemory) -> None:
    result, pieces = ask(memory, REFUSAL)
    assert (result.text, result.found) == (NOT_FOUND, False)
    assert pieces == [NOT_FOUND]
    assert result.citations


def test_without_evidence_the_model_is_not_asked(memory: OpenMemory) -> None:
    writer = ScriptedWriter(["Oslo."])
    pieces: list[str] = []
    result = answer("What is the capital of Norway?", memory, writer, on_text=pieces.append)
    assert (result.text, result.found, result.citations) == (NOT_FOUND, False, ())
    assert (pieces, writer.asked) == ([NOT_FOUND], [])
    assert result.first_token_s is None


def test_no_page_is_cited_twice_and_no_more_than_asked_for(memory: OpenMemory) -> None:
    for limit in (0, 1, 2, 3):
        result, _ = ask(memory, RIGHT, citations=limit)
        pages = [citation.page for citation in result.citations]
        assert len(pages) == limit
        assert len(set(pages)) == limit


def test_every_quote_is_verbatim_on_its_page(memory: OpenMemory) -> None:
    for citation in ask(memory, RIGHT, citations=10)[0].citations:
        texts = [passage.text for passage in memory.passages.on_page(1, citation.page)]
        assert any(citation.quote in text for text in texts)
        assert 0 <= citation.score <= 1


def test_the_line_of_a_quote_in_a_text_is_its_own(tmp_path: Path) -> None:
    text = "A grey cat slept all day beside the gate.\n\nThe lighthouse was built by Edmund Hale long ago."
    memory = make_memory(tmp_path / "passages.sqlite", [*map(Said, FILLER[:6]), Said(text, line=40)])
    assert ask(memory, "Edmund Hale built it.")[0].citations[0].line == 42


def test_the_best_passage_stands_last_in_the_prompt_and_the_question_after_it(memory: OpenMemory) -> None:
    writer = ScriptedWriter([RIGHT])
    answer(QUESTION, memory, writer)
    prompt = writer.asked[0][-1]["content"]
    assert prompt.index("painted white") < prompt.index("Cape Morrow") < prompt.index(QUESTION)


def test_what_does_not_fit_into_the_window_is_left_out_the_least_relevant_first(memory: OpenMemory) -> None:
    writer = ScriptedWriter([RIGHT], window=550)
    assert answer(QUESTION, memory, writer).text == RIGHT
    prompt = writer.asked[0][-1]["content"]
    assert "Edmund Hale" in prompt
    assert "lighthouse burn" not in prompt


def test_the_memory_alone_is_passed_on_as_it_comes_and_cites_nothing() -> None:
    # an answer begins as a word does inside of a sentence: as the model finds it in its memory
    writer = ScriptedWriter(["     It was John Smeaton, they say."])
    pieces: list[str] = []
    result = answer_from_memory(QUESTION, writer, on_text=pieces.append)
    assert "".join(pieces) == result.text == "It was John Smeaton, they say."
    assert (result.found, result.source, result.citations) == (True, "memory", ())
    assert writer.asked[0] == [{"role": "user", "content": QUESTION}]
    assert not answer_from_memory(QUESTION, ScriptedWriter([REFUSAL])).found


def test_what_the_model_is_not_sure_of_is_not_said_from_the_memory_alone() -> None:
    reply = "It was John Smeaton, they say."
    for sureness, said in ((SURE_FROM, reply), (SURE_FROM - 0.01, NOT_HELD)):
        writer, pieces = ScriptedWriter([reply], sureness=sureness), list[str]()
        result = answer_from_memory(QUESTION, writer, on_text=pieces.append)
        assert "".join(pieces) == result.text == said
        assert result.found == (said == reply)
        assert len(writer.given) == (len(reply) if result.found else 3)  # it is stopped at its first piece
    assert answer_from_memory(QUESTION, ScriptedWriter([""])).text == NOT_HELD


def test_a_memory_without_passages_says_nothing(tmp_path: Path) -> None:
    result, _ = ask(make_memory(tmp_path / "passages.sqlite", []), "Oslo.")
    assert not result.found
    result, _ = ask(make_memory(tmp_path / "other.sqlite", []), "Oslo.", question="What is this book about?")
    assert not result.found
