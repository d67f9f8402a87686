"""Conversations: what a question leans on, what the model is shown of it, what is read into the memory."""

from pathlib import Path

import pytest

from infini_cli.answering.answer import NOT_FOUND, answer
from infini_cli.answering.conversation import Conversation, leans
from infini_cli.answering.prompts import evidence_messages
from infini_cli.answering.question import parse_question
from infini_cli.reading.memory import OpenMemory
from tests.unit.answering.fakes import FILLER, Said, ScriptedWriter, make_memory

BUILT = "Who built the lighthouse?"
HALE = "Edmund Hale built it in 1874."


@pytest.fixture
def memory(tmp_path: Path) -> OpenMemory:
    passages = [
        *map(Said, FILLER[:8]),
        Said("The lighthouse at Cape Morrow was built in 1874 by the engineer Edmund Hale."),
        *map(Said, FILLER[8:16]),
        Said("Edmund Hale was born in Whitby, where his father repaired clocks."),
        Said("The bakery opened in 1901 and was run by Ruth Pell, who was born in Leeds."),
    ]
    return make_memory(tmp_path / "passages.sqlite", passages)


def talk(memory: OpenMemory, *replies: str, **options: int) -> tuple[Conversation, ScriptedWriter]:
    writer = ScriptedWriter(replies, **options)
    return Conversation(memory, writer), writer


@pytest.mark.parametrize(
    "question",
    [
        "How old is he?",
        "And Catherine?",
        "Why?",
        "What happened then?",
        "where does she live",
        "Tell me more.",
        "What does that mean?",
        "Who lives there?",
        "What about the bakery?",
    ],
)
def test_a_question_that_points_back_leans(question: str) -> None:
    assert leans(question)


@pytest.mark.parametrize(
    "question",
    [
        BUILT,
        "What did Mr. Allen do with his property?",
        "What is this document about?",
        "What is this about?",
        "How many rooms are there in the abbey?",
        "Is there a dog?",
        "Who said that Catherine was rich?",
        "How long does it take to install Debian?",
    ],
)
def test_a_question_that_says_all_it_needs_does_not_lean(question: str) -> None:
    assert not leans(question)


def test_a_question_that_stands_alone_is_answered_as_if_it_were_the_only_one(memory: OpenMemory) -> None:
    conversation, writer = talk(memory, "Ruth Pell ran the bakery.", HALE)
    conversation.ask("Who ran the bakery?")
    turn = conversation.ask(BUILT)
    alone = ScriptedWriter([HALE])
    only = answer(BUILT, memory, alone)
    assert (turn.answer.text, turn.answer.citations, turn.searched) == (only.text, only.citations, "")
    assert writer.asked[-1] == alone.asked[-1]


def test_a_follow_up_finds_what_the_last_answer_named(memory: OpenMemory) -> None:
    conversation, writer = talk(memory, HALE, "He was born in Whitby.")
    conversation.ask(BUILT)
    turn = conversation.ask("Where was he born?")
    assert turn.answer.text == "He was born in Whitby."
    assert turn.answer.citations[0].quote.startswith("Edmund Hale was born in Whitby")
    assert turn.searched.split() == [*BUILT.split(), "Edmund", "Hale"]
    shown = [message["content"] for message in writer.asked[-1]]
    assert shown[-3:-1] == [BUILT, HALE]


def test_the_same_follow_up_without_a_conversation_is_about_anybody(memory: OpenMemory) -> None:
    conversation, _ = talk(memory, "")
    turn = conversation.ask("Where was he born?")
    assert turn.searched == ""
    assert "Ruth Pell" in turn.answer.text + str(turn.answer.citations)


def test_somebody_elses_name_takes_over_what_was_asked(memory: OpenMemory) -> None:
    conversation, _ = talk(memory, HALE, "He was born in Whitby.", "Ruth Pell was born in Leeds.")
    conversation.ask(BUILT)
    conversation.ask("Where was he born?")
    turn = conversation.ask("And Ruth Pell?")
    assert turn.searched == "born"
    assert turn.answer.citations[0].quote.endswith("born in Leeds.")


def test_a_chain_of_follow_ups_keeps_its_topic(memory: OpenMemory) -> None:
    conversation, _ = talk(memory, HALE, "His father repaired clocks.", "He was born in Whitby.")
    conversation.ask(BUILT)
    assert conversation.ask("What did his father do?").topic == BUILT
    assert conversation.ask("Where was he born?").topic == BUILT


def test_to_repeat_what_was_said_is_no_answer(memory: OpenMemory) -> None:
    conversation, _ = talk(memory, HALE, "The lighthouse was built by Edmund Hale.")
    conversation.ask(BUILT)
    assert conversation.ask("And who was his mother?").answer.quoted


def test_what_was_not_found_is_not_shown_again(memory: OpenMemory) -> None:
    conversation, writer = talk(memory, HALE)
    assert conversation.ask("What is the capital of Norway?").answer.text == NOT_FOUND
    conversation.ask("Who built the lighthouse there?")
    assert all("Norway" not in message["content"] for message in writer.asked[-1])


def test_of_a_quotation_the_model_is_shown_the_sentence_alone(memory: OpenMemory) -> None:
    conversation, _ = talk(memory, "Nobody knows.")
    turn = conversation.ask(BUILT)
    assert turn.answer.quoted
    sentence = "The lighthouse at Cape Morrow was built in 1874 by the engineer Edmund Hale."
    assert turn.exchange == (BUILT, sentence)


def test_what_outgrows_the_window_is_read_into_the_memory_oldest_first(memory: OpenMemory) -> None:
    prompt = sum(len(message["content"]) for message in evidence_messages(BUILT, []))
    conversation, writer = talk(memory, HALE, window=prompt + 450 + 2 * len(BUILT + HALE) + 10)
    for _ in range(3):
        conversation.ask(BUILT)
        assert (conversation.folded, writer.state) == (0, ())
    conversation.ask(BUILT)
    said = f"Question: {BUILT}\nAnswer: {HALE}\n\n"
    assert (conversation.folded, writer.state) == (1, (said,))
    assert conversation.folded_tokens == len(said)


def test_the_whole_conversation_can_be_read_into_a_memory_while_it_goes_on(memory: OpenMemory) -> None:
    conversation, writer = talk(memory, HALE)
    conversation.ask(BUILT)
    conversation.ask(BUILT)
    state, tokens = conversation.whole_state()
    said = f"Question: {BUILT}\nAnswer: {HALE}\n\n"
    assert (state, tokens) == ((2 * said,), 2 * len(said))
    assert (writer.state, conversation.folded) == ((), 0)


def test_a_question_that_is_broken_off_leaves_no_trace(memory: OpenMemory) -> None:
    conversation, _ = talk(memory, HALE)

    def stop(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conversation.ask(BUILT, on_text=stop)
    assert conversation.turns == []


def test_each_answer_has_its_own_account_of_tokens_and_time(memory: OpenMemory) -> None:
    conversation, writer = talk(memory, HALE)
    first = conversation.ask(BUILT).answer.usage
    writer.usage.prompt_tokens += 5
    writer.first_token_at = 1.0
    assert conversation.ask("What is the capital of Norway?").answer.first_token_s is None
    assert first.prompt_tokens == 0
    assert conversation.ask(BUILT).answer.usage.prompt_tokens == 0


def test_words_said_before_count_for_less_and_repeat_nothing() -> None:
    question = parse_question("Who else built it?", "Who built the Lighthouse?")
    assert [(term.text, term.earlier) for term in question.terms] == [("built", False), ("Lighthouse", True)]
    assert question.terms[1].weight < question.terms[0].weight
    assert question.subject == question.terms[0].stem
    assert not parse_question("Why?", "Who built the Lighthouse?").general
