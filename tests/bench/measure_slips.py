"""How often which slip is made, and what finding it is worth: `python -m tests.bench.measure_slips CORPUS`

A slip is a word that the public prior does not have and that half of a corpus's people wrote three times at most;
it is one slip, as `fedkeys.words.slips` defines them but at any place, from exactly one word that they wrote 20
times or more, and 50 times as often. Prints the penalties that these give, then tries the ones in the package on
the slips of the other people, and on slips made in their words at random: how often the word is among three
completions, ranked by how often the first half wrote it and by the penalty, once the slip is among the letters
typed.
"""

import math
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from fedkeys.counts import Vocabulary
from fedkeys.phone.prior import Prior
from fedkeys.sources import open_corpus
from fedkeys.words import fold, tokens
from fedkeys.words.slips import PENALTIES, kind_of_extra, kind_of_missing, kind_of_wrong, reached
from tests.bench.slipped import most_probable

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHORTEST = 5  # letters of a word that slips are attributed to


def edits(word: str) -> Iterator[tuple[str, str, int]]:
    """Give what one slip makes of a word: the letters typed, the kind of slip, and its place in them."""
    for at in range(len(word) + 1):
        before, after = word[at - 1 : at], word[at : at + 1]
        for letter in LETTERS:
            if letter != before:  # after itself is the same as before itself
                yield word[:at] + letter + word[at:], kind_of_extra(before, letter, after), at
        if after:
            yield word[:at] + word[at + 1 :], kind_of_missing(after), at
            for letter in LETTERS:
                if letter != after:
                    yield word[:at] + letter + word[at + 1 :], kind_of_wrong(after, letter), at
        if word[at + 1 : at + 2] and word[at + 1] != after:
            yield word[:at] + word[at + 1] + after + word[at + 2 :], "swapped", at


def counted(people: Iterable[list[str]]) -> Counter[str]:
    return Counter(fold(item) for texts in people for text in texts for item in tokens(text))


def attributed(counts: Counter[str], known: frozenset[str]) -> dict[str, tuple[str, str, int]]:
    """Give the slips among words: what was meant, the kind, and the place."""
    found: dict[str, tuple[str, str, int]] = {}
    several: set[str] = set()
    for word, count in counts.items():
        if count < 20 or len(word) < SHORTEST or word not in known or not word.isalpha():
            continue
        for typed, kind, at in edits(word):
            if typed in known or not 0 < counts[typed] <= min(3, count // 50):
                continue
            if found.setdefault(typed, (word, kind, at))[0] != word:
                several.add(typed)
    return {typed: slip for typed, slip in found.items() if typed not in several}


def penalties(counts: Counter[str], known: frozenset[str]) -> dict[str, float]:
    """Give the natural log of how often each kind was made of all the times that it could have been."""
    made: Counter[str] = Counter()
    for typed, (_, kind, _) in attributed(counts, known).items():
        made[kind] += counts[typed]
    possible: Counter[str] = Counter()
    for word, count in counts.items():
        if count >= 20 and len(word) >= SHORTEST and word in known and word.isalpha():
            for _, kind, _ in edits(word):
                possible[kind] += count
    for word in known:
        without = word.replace("'", "")
        if without != word and without not in known:
            possible["missing apostrophe"] += counts[word] + counts[without]
            made["missing apostrophe"] += counts[without]
    return {kind: math.log(made[kind] / possible[kind]) for kind in PENALTIES}


def synthetic(
    words: list[str], rng: np.random.Generator, weights: dict[str, float] | None
) -> list[tuple[str, str, int]]:
    """Make one slip after the first letter of each word: any as likely as another, or by penalties."""
    made = []
    for word in words:
        possible = [edit for edit in edits(word) if edit[2] > 0]
        p = None
        if weights:
            each = np.array([math.exp(weights[kind]) for _, kind, _ in possible])
            p = each / each.sum()
        typed, _, at = possible[rng.choice(len(possible), p=p)]
        made.append((typed, word, at))
    return made


class Completer:
    """Completes by how often words were written, with slips and without."""

    def __init__(self, counts: Counter[str]) -> None:
        self.vocabulary = Vocabulary(word for word, count in counts.items() if count >= 2)
        each = np.array([counts[word] for word in self.vocabulary.words])
        self.logp = np.log(each / each.sum())
        self.nanoseconds: list[int] = []

    def exact(self, typed: str, k: int) -> list[tuple[str, float]]:
        low, high = (id_ - 2 for id_ in self.vocabulary.prefix_range(typed))
        best = np.argsort(-self.logp[low:high], kind="stable")[:k] + low
        return [(self.vocabulary.words[at], float(self.logp[at])) for at in best]

    def slipped(self, typed: str, k: int) -> list[tuple[str, float]]:
        start = time.thread_time_ns()
        slips = reached(typed, self.vocabulary.words)
        best = most_probable(slips, self.logp, k)
        self.nanoseconds.append(time.thread_time_ns() - start)
        return [(self.vocabulary.words[at], score) for at, score in best]


def try_out(title: str, slips: list[tuple[str, str, int]], completer: Completer) -> None:
    """Print how often what was meant is among three completions, after so many letters."""
    for letters in (3, 4, 5, 6):
        asked = [(typed[:letters], word) for typed, word, at in slips if at < letters < len(typed)]
        rows = {"exact only": 0, "exact, then slips": 0, "ranked together": 0}
        for typed, word in asked:
            exact, slipped = completer.exact(typed, 3), completer.slipped(typed, 3)
            together = sorted(dict(slipped + exact).items(), key=lambda item: -item[1])
            rows["exact only"] += word in dict(exact)
            rows["exact, then slips"] += word in list(dict(exact + slipped))[:3]
            rows["ranked together"] += word in dict(together[:3])
        shares = ", ".join(f"{name} {100 * hits / len(asked):.1f} %" for name, hits in rows.items())
        print(f"{title}, {letters} letters typed, {len(asked)} words: {shares}")


def main() -> None:
    """Print the penalties, and what they are worth."""
    people = [list(person.texts) for person in open_corpus(sys.argv[1]).phones()]
    known = frozenset(Prior.load().vocabulary.words)
    first, second = counted(people[::2]), counted(people[1::2])
    for kind, penalty in penalties(first, known).items():
        print(f"{kind}: {penalty:.2f}, in the package {PENALTIES[kind]:.2f}")
    slips = attributed(first, known)
    for kind in ("wrong", "missing", "extra", "swapped"):
        places = [at for _, name, at in slips.values() if name.startswith(kind)]
        print(f"{kind}: {len(places)}, at the first letter {100 * places.count(0) / len(places):.0f} %")
    completer = Completer(first)
    made = attributed(second, known)
    try_out("slips of people", [(typed, word, at) for typed, (word, _, at) in made.items() if at], completer)
    rng = np.random.default_rng(0)
    pool = [word for word in second if word in known and word.isalpha() and len(word) >= SHORTEST]
    often = np.array([second[word] for word in pool], float)
    words = rng.choice(pool, 3000, p=often / often.sum()).tolist()
    try_out("slips by the penalties", synthetic(words, rng, PENALTIES), completer)
    try_out("slips at random", synthetic(words, rng, None), completer)
    times = np.array(completer.nanoseconds) / 1000
    print(
        f"{len(completer.vocabulary)} words; {np.median(times):.0f} us, p99 {np.quantile(times, 0.99):.0f} us"
    )


if __name__ == "__main__":
    main()
