"""Lengths and depths on the command line."""

import pytest

from infini_cli.errors import UsageError
from infini_cli.evals.grid import format_length, nearest, parse_depths, parse_lengths, whole_segments


def test_lengths_are_sorted_and_distinct():
    assert parse_lengths("16K, 4k,1M,1000,4096") == (1000, 4096, 16384, 1024**2)


@pytest.mark.parametrize("text", ["", "4X", "K", "0", "-4K", "4K,,8K", "1.5K"])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(UsageError, match="not a length"):
        parse_lengths(text)


def test_depths_are_sorted_and_distinct():
    assert parse_depths("1,0,0.5,.5") == (0.0, 0.5, 1.0)


@pytest.mark.parametrize("text", ["", "2", "-0.1", "half", "nan"])
def test_what_is_no_depth_is_refused(text):
    with pytest.raises(UsageError, match="not a depth"):
        parse_depths(text)


@pytest.mark.parametrize(("tokens", "text"), [(4096, "4K"), (1024**2, "1M"), (1000, "1000"), (1536, "1536")])
def test_lengths_for_people(tokens, text):
    assert format_length(tokens) == text


def test_a_depth_counts_for_the_nearest_of_the_grid():
    assert [nearest(depth, (0.0, 0.5, 1.0)) for depth in (0.1, 0.25, 0.26, 0.9)] == [0.0, 0.0, 0.5, 1.0]


def test_documents_have_whole_segments():
    assert whole_segments((1000, 1100, 4096, 4400), 512) == (1024, 4096, 4608)


def test_a_document_has_at_least_one_segment():
    with pytest.raises(UsageError, match="less than one segment of 512"):
        whole_segments((511, 4096), 512)
