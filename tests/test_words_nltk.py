"""Our tokens beside NLTK's `TweetTokenizer`: every difference is one that is written down here."""

import gzip
import json
from pathlib import Path

import pytest
from nltk.tokenize import TweetTokenizer

from fedkeys.sources import open_corpus, shipped_corpus
from fedkeys.words import GAP, MESSAGE_START, SENTENCE_START, tokens

CHAT = Path(__file__).parents[2] / "shared" / "data" / "ubuntu_irc.jsonl.gz"
MARKS = {MESSAGE_START, SENTENCE_START, GAP}

# On purpose ours differ:
#   1. punctuation and ASCII emoticons are not tokens here (a keyboard offers words and emoji);
#   2. addresses, handles, tags, numbers, codes and paths are dropped here, tokens there;
#   3. hyphens, underscores and slashes part words here, hold them together there;
#   4. curly apostrophes are straight, and an apostrophe at a word's edge is not part of it, here;
#   5. skin tones and presentation selectors are not part of an emoji's identity here, separate tokens there;
#   6. a word of more than 24 letters is dropped here; letters outside the BMP's tables differ.
# What is left after taking these away must agree.


def plain(token: str) -> bool:
    """A token that no rule above speaks of: ASCII letters with apostrophes inside."""
    parts = token.split("'")
    return all(part.isascii() and part.isalpha() for part in parts) and len(token) <= 24


def agreeing_part(messages: list[str]) -> tuple[int, int, list[tuple[str, list[str], list[str]]]]:
    """How many messages were compared, how many agree, and those that do not."""
    tweet = TweetTokenizer()
    compared = agreed = 0
    others = []
    for message in messages:
        if not message.isascii() or any(
            character in message for character in "@#_/\\=~0123456789-<>:;'`\"^*|&"
        ):
            continue
        ours = [item for item in tokens(message) if item not in MARKS]
        if GAP in tokens(message):
            continue
        theirs = [token for token in tweet.tokenize(message) if plain(token)]
        compared += 1
        if ours == theirs:
            agreed += 1
        else:
            others.append((message, ours, theirs))
    return compared, agreed, others


def test_plain_messages_of_the_shipped_phones_agree() -> None:
    messages = [text for _, texts in open_corpus(shipped_corpus()).phones() for text in texts]
    compared, agreed, others = agreeing_part(messages)
    assert compared > 500
    assert agreed == compared, others[:5]


def test_plain_messages_of_real_chat_agree() -> None:
    if not CHAT.exists():
        pytest.skip("ubuntu_irc.jsonl.gz is not beside this checkout")
    with gzip.open(CHAT, "rt") as lines:
        messages = [json.loads(line)["text"] for line, _ in zip(lines, range(40_000), strict=False)]
    compared, agreed, others = agreeing_part(messages)
    assert compared > 5_000
    assert agreed / compared > 0.995, others[:20]


@pytest.mark.parametrize(
    ("text", "ours", "theirs"),
    [
        ("hi, you :)", ["hi", "you"], ["hi", ",", "you", ":)"]),
        ("mail me@example.org", ["mail"], ["mail", "me@example.org"]),
        ("well-known", ["well", "known"], ["well-known"]),
        ("don’t", ["don't"], ["don", "’", "t"]),
        ("👍🏽", ["👍"], ["👍🏽"]),
        ("I'm at 7", ["I'm", "at", "7"], ["I'm", "at", "7"]),
    ],
)
def test_the_differences_are_these(text: str, ours: list[str], theirs: list[str]) -> None:
    assert [item for item in tokens(text) if item not in MARKS] == ours
    assert TweetTokenizer().tokenize(text) == theirs
