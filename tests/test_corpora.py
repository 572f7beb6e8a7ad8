"""The shipped corpora are what their README says."""

from collections import Counter

from fedkeys.sources import open_corpus, shipped_corpus

PHONES = {name: list(texts) for name, texts in open_corpus(shipped_corpus()).phones()}


def test_there_are_enough_phones_and_words() -> None:
    assert len(PHONES) >= 20
    assert sum(len(text.split()) for texts in PHONES.values() for text in texts) >= 20_000
    assert min(map(len, PHONES.values())) >= 100


def test_hardly_a_message_is_repeated() -> None:
    everything = [text for own in PHONES.values() for text in own]
    for texts in (*PHONES.values(), everything):
        repeated = sum(count - 1 for count in Counter(text.casefold() for text in texts).values())
        assert repeated <= 0.02 * len(texts)


def test_they_are_not_a_template() -> None:
    """Few messages share their first four words with another of the same phone."""
    for name, texts in PHONES.items():
        starts = Counter(tuple(text.casefold().split()[:4]) for text in texts if len(text.split()) > 5)
        shared = sum(count for count in starts.values() if count > 1)
        assert shared <= 0.05 * len(texts), name


def test_files_are_clean_text() -> None:
    for path in shipped_corpus().glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert text.endswith("\n")
        assert "\r" not in text
        assert all(line == line.strip() and line for line in text.splitlines()), path.name
