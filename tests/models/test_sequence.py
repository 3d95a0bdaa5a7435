"""Sequences: the vocabulary, counting n-grams, and which transitions of a day are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.baselines import DAY_US, Baselines
from features.behaviours import COLUMN, VALUE_COLUMNS, WIDTH
from features.columns import Batch
from models.sequence.book import MOST, SequenceBook
from models.sequence.model import peaks, usual_of
from models.sequence.ngrams import Ngrams
from models.sequence.sequences import Sequences, sequences_of
from models.sequence.vocabulary import FIRST, OTHER, Vocabulary

DAY = 20_000


def test_a_vocabulary_is_what_several_sequences_have_and_the_rest_is_other():
    past = sequences_of([[7, 7, 7], [5, 9], [5, 9], [9]], [1, 1, 2, 2])
    vocabulary = Vocabulary.fitted(past, 10)
    assert vocabulary.tokens.tolist() == [5, 9]
    assert vocabulary.codes(np.array([5, 7, 9, 11])).tolist() == [FIRST, OTHER, FIRST + 1, OTHER]
    assert Vocabulary.fitted(past, 1).tokens.tolist() == [9]


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6), st.data())
def test_picking_sequences_is_picking_from_a_list(parts, data):
    rows = data.draw(st.lists(st.integers(0, len(parts) - 1), max_size=8)) if parts else []
    picked = sequences_of(parts, range(len(parts))).pick(np.array(rows, np.int64))
    assert picked.owner.tolist() == rows
    lists = [part.tolist() for part in np.split(picked.tokens, picked.starts[1:-1])] if rows else []
    assert lists == [parts[row] for row in rows]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_ngram_probabilities_of_all_tokens_add_up_to_one(order):
    rng = np.random.default_rng(order)
    past = sequences_of([rng.integers(2, 8, 20).tolist() for _ in range(5)], [1] * 5)
    model = Ngrams.fitted(past, 8, order)
    for context in ([], [3], [3, 4], [4, 4]):
        asked = sequences_of([[*context, token] for token in range(8)], [1] * 8)
        last = model.surprisal(asked)[asked.starts[1:] - 1]
        assert np.exp(-last).sum() == pytest.approx(1.0)


def test_a_longer_context_foretells_what_follows_from_it():
    past = sequences_of([[2, 3, 4, 2, 3, 4, 2, 3, 4]] * 4, [1] * 4)
    means = [Ngrams.fitted(past, 8, order).surprisal(past).mean() for order in (1, 2)]
    assert means[1] < means[0] / 2


def test_the_most_surprising_tokens_of_each_sequence_are_averaged():
    asked = sequences_of([[1] * 10, [], [1, 1]], [1, 2, 3])
    surprisals = np.array([*range(10), 5.0, 1.0], np.float32)
    np.testing.assert_allclose(peaks(surprisals, asked), [np.mean(range(2, 10)), np.nan, 3.0])
    line = usual_of(np.array([1.0, 2.0, np.nan]), np.array([1, 3, 9]))
    assert line[0] + line[1] * np.log1p(3) == pytest.approx(2.0)


def told(baselines: Baselines, names: list[str], day: int = DAY, user: str = "ann") -> Batch:
    """Programs that somebody ran, one a second."""
    columns = np.zeros((len(names), WIDTH), np.int32)
    columns[:, COLUMN["process"]] = baselines.values.intern_many(names)
    columns[:, COLUMN["activity"]] = baselines.values.intern_many(["launch"])[0]
    who = np.repeat(np.asarray(baselines.values.intern_many([user]), np.int32), len(names))
    columns[:, COLUMN["user"]] = who
    columns[:, len(VALUE_COLUMNS)] = baselines.entities.ids(0, who)
    nothing = np.zeros(len(names), np.int64)
    return Batch(
        day * DAY_US + np.arange(len(names)) * 1_000_000, np.full(len(names), 1007, np.int32),
        np.zeros(len(names), np.int32), columns, nothing, nothing,
    )  # fmt: skip


def kept(names: list[str]) -> Sequences:
    book = SequenceBook(Baselines())
    book.open_day(DAY)
    book.add(told(book._baselines, names))
    return book.sequences()


def test_a_transition_is_kept_once_a_day():
    once = kept(["ls", "cd", "vi"]).tokens.tolist()
    again = kept(["ls", "cd", "vi", "vi", "vi", "ls", "cd", "vi"]).tokens.tolist()
    # after the first three: vi after vi, and ls after vi, which were not there before
    assert again == [*once, once[2], once[0]]


def test_a_day_is_bounded_and_other_days_are_left_out():
    assert len(kept([f"tool-{number}" for number in range(3 * MOST)]).tokens) == MOST
    book = SequenceBook(Baselines())
    book.open_day(DAY)
    book.add(told(book._baselines, ["ls", "cd"], day=DAY + 1))
    assert len(book.sequences()) == 0
    assert np.isnan(book.nats(np.array([1, 2]))).all()


def test_tokens_are_of_words_not_of_ids():
    first, second = Baselines(), Baselines()
    second.values.intern_many(["something", "else", "first"])
    books = [SequenceBook(first), SequenceBook(second)]
    for book in books:
        book.open_day(DAY)
        book.add(told(book._baselines, ["ls", "cd", "make"]))
    assert books[0].sequences().tokens.tolist() == books[1].sequences().tokens.tolist()
