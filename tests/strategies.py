"""Hypothesis strategies for messages, counts and fleets."""

import numpy as np
from hypothesis import strategies as st

from fedkeys.counts import FIRST_WORD, GAP_ID

# Few words, so that n-grams repeat; forms, secrets, marks and emoji among them.
PIECES = [
    *("hello", "Hello", "world", "see", "you", "tomorrow", "London", "london", "I", "i'm", "iPhone", "LOL"),
    *("👍", "❤️", "7", "ok.", "what?!", "...", "a@b.org", "07700900123", "x1y2", "don’t", "naïve", "\n"),
]

messages = st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join)
corpora = st.lists(messages, max_size=8)
fleets = st.lists(corpora, min_size=1, max_size=5)
any_text = st.text(max_size=60)

# What becomes of a personal model: (True, a message that is learnt) or (False, a word that is forgotten).
histories = st.lists(
    st.tuples(st.just(True), messages)
    | st.tuples(st.just(False), st.sampled_from([piece for piece in PIECES if piece.isalpha()])),
    max_size=12,
)

sequences = st.lists(st.sampled_from([0, 1, GAP_ID, *range(FIRST_WORD, FIRST_WORD + 5)]), max_size=40).map(
    lambda ids: np.array(ids, np.uint32)
)
