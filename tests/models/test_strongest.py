"""Of rows that say the same thing, the loudest is kept."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.strongest import strongest

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([0.5, 1.0, 2.0])), max_size=30
)


@given(ROWS)
def test_each_combination_keeps_its_largest_and_of_equals_the_earliest(rows):
    left, right, gain = (np.array([row[place] for row in rows]) for place in range(3))
    expected = {}
    for index, (one, other, value) in enumerate(rows):
        best = expected.get((one, other))
        if best is None or value > rows[best][2]:
            expected[one, other] = index
    assert strongest(gain, left, right).tolist() == [expected[key] for key in sorted(expected)]
