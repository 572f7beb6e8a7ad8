"""Reading partial aggregates, with suspicion.

In: a file; `fedkeys.aggregator.partial` has the format. Out: a run, and the rows of a ledger. Laws: a file
that was cut short or changed, or says what cannot be, is refused; no more of it is in memory than one piece.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.aggregator.ledger import Row
from fedkeys.aggregator.messages import Message, messages
from fedkeys.aggregator.partial import PARTIAL_FORMAT, PARTIAL_VERSION, Account
from fedkeys.aggregator.runs import Run, Writer
from fedkeys.container import SEAL_SIZE, Container, unpack_arrays
from fedkeys.counts import FIRST_WORD, Level
from fedkeys.delta.checks import DIGEST_SIZE, MAX_ORDER, PHONE_SIZE, require
from fedkeys.errors import DamagedError, FedkeysError, FormatError
from fedkeys.words import OTHER, fold, is_word, is_written_form, style_of

_MOST_TIMES = 1 << 48  # as a count, so that those of many partials can be added


@dataclass(frozen=True, slots=True)
class Partial:
    """What was read of a partial aggregate.

    Attributes:
        path: the file.
        account: how it was made.
        run: its sums, in a directory.
    """

    path: Path
    account: Account
    run: Run


def read_partial(
    path: Path,
    into: Path,
    on_rows: Callable[[list[Row]], None],
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Partial:
    """Read a partial aggregate into a new run.

    Args:
        path: the file.
        into: the directory of the run, which must not exist.
        on_rows: told the rows of its ledger, piece by piece.
        on_bytes: told how many bytes were read, from time to time.

    Raises:
        FormatError: the file is no sound partial; the directory may hold part of it.
        FedkeysError: it cannot be read.
    """
    try:
        with _opened(path) as file:
            return _read(path, _pieces(_read_messages(file, path), on_bytes), into, on_rows)
    except FormatError as error:
        raise error.at(path) from None


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from None


def _read_messages(file: BinaryIO, path: Path) -> Iterator[Message]:
    """Read messages; what is wrong with reading is told from what is wrong with writing the run."""
    try:
        yield from messages(file)
    except OSError as error:
        raise _unreadable(path, error) from None
    except FormatError as error:
        raise DamagedError(
            "does not end where it should, so nothing of it counts",
            place=error.place,
            remedy="get it again from where it came from",
        ) from None


def _unreadable(path: Path, error: OSError) -> FedkeysError:
    return FedkeysError(f"cannot be read ({error.strerror})", file=path)


class _Piece(NamedTuple):
    kind: str
    header: dict[str, Any]
    container: Container

    def array(self, name: str, dtype: str) -> NDArray[Any]:
        """Give one of its arrays.

        Raises:
            FormatError: it has none of this type.
        """
        found = self.container.arrays.get(name)
        if found is None or found.dtype != np.dtype(dtype):
            raise FormatError(f"a piece {self.kind!r} has no {name!r} of type {dtype}")
        return found


def _pieces(found: Iterator[Message], on_bytes: Callable[[int], None]) -> Iterator[_Piece]:
    """Read the pieces of a partial; that all are there is known when the last has been given."""
    digest, count, is_whole = blake2b(digest_size=DIGEST_SIZE), 0, False
    for start, data in found:
        try:
            require(not is_whole, "something comes after its end")
            container = unpack_arrays(data, PARTIAL_FORMAT, PARTIAL_VERSION)
            header = dict(container.header)
            kind = header.get("kind")
            require(isinstance(kind, str), "a piece does not say its kind")
            if kind == "end":
                whole = header.get("pieces") == count and header.get("digest") == digest.digest()
                require(whole, "it does not have all its pieces")
                is_whole = True
                continue
        except FormatError as error:
            error.place = f"byte {start}"
            raise
        digest.update(data[-SEAL_SIZE:])
        count += 1
        yield _Piece(str(kind), header, container)
        on_bytes(len(data))
    if not is_whole:
        raise DamagedError(
            f"ends after {count} pieces, before its end", remedy="get it again from where it came from"
        )


def _read(path: Path, pieces: Iterator[_Piece], into: Path, on_rows: Callable[[list[Row]], None]) -> Partial:
    head = next(pieces, None)
    require(head is not None and head.kind == "head", "does not begin with its head")
    assert head is not None
    account, sizes = _account(head.header), _Sizes.of(head.header)
    into.mkdir()
    run = Run(into, sizes.order)
    run.append_words([])
    with run.writer() as writer:
        checked = _Checked(sizes, run, writer)
        for piece in pieces:
            if piece.kind == "ledger":
                on_rows(checked.take_ledger(piece))
            else:
                checked.take(piece)
        checked.finish()
    return Partial(path, account, run)


def _account(header: dict[str, Any]) -> Account:
    found = [header.get(name) for name in Account._fields]
    federation, bounds, round_, enrolled = found
    require(
        isinstance(federation, str)
        and isinstance(bounds, list)
        and all(
            kept is None or (isinstance(kept, dict) and all(type(value) is int for value in kept.values()))
            for kept in bounds
        )
        and type(round_) is int
        and 0 <= round_ < 1 << 32
        and isinstance(enrolled, bool),
        "its head is not that of a partial",
    )
    return Account(*found)  # type: ignore[arg-type]


class _Sizes(NamedTuple):
    """How much a partial has, by its head."""

    order: int
    words: int
    rows: list[int]
    forms: int
    deltas: int

    @classmethod
    def of(cls, header: dict[str, Any]) -> "_Sizes":
        sizes = cls(*(header.get(name) for name in cls._fields))  # type: ignore[arg-type]
        numbers = [sizes.order, sizes.words, sizes.forms, sizes.deltas]
        numbers += sizes.rows if isinstance(sizes.rows, list) else [None]
        require(
            all(type(number) is int and 0 <= number < 1 << 32 for number in numbers)
            and 2 <= sizes.order <= MAX_ORDER
            and len(sizes.rows) == sizes.order,
            "its head is not that of a partial",
        )
        return sizes


def _ledger_rows(piece: _Piece) -> list[Row]:
    phones, digests = piece.array("phone", "u1").tobytes(), piece.array("digest", "u1").tobytes()
    sequences, withdrawn = piece.array("sequence", "<u4").tolist(), piece.array("withdrawn", "u1").tolist()
    require(
        len(phones) == PHONE_SIZE * len(sequences)
        and len(digests) == DIGEST_SIZE * len(sequences)
        and len(withdrawn) == len(sequences)
        and set(withdrawn) <= {0, 1},
        "its ledger's columns do not fit together",
    )
    return [
        Row(
            phones[PHONE_SIZE * at : PHONE_SIZE * (at + 1)],
            sequence,
            digests[DIGEST_SIZE * at : DIGEST_SIZE * (at + 1)],
            bool(withdrawn[at]),
        )
        for at, sequence in enumerate(sequences)
    ]


class _Checked:
    """Takes the pieces of the sums in their order, and writes what is sound."""

    def __init__(self, sizes: _Sizes, run: Run, writer: Writer) -> None:
        self._sizes = sizes
        self._run = run
        self._writer = writer
        self._deltas = self._phones = self._words = self._used = 0
        self._last_row: tuple[bytes, int] = b"", -1
        self._last_counted = b""
        self._last_word = ""
        self._last_keys = [-1] * (sizes.order + 1)
        self._spelt: list[str] = []
        self._forms: list[Level] = []

    def take(self, piece: _Piece) -> None:
        """Take one piece.

        Raises:
            FormatError: it is not sound, or not of a kind that can come here.
        """
        match piece.kind:
            case "words":
                self._take_words(_texts(piece))
            case "level":
                self._take_level(piece.header.get("order"), _level(piece))
            case "spelt":
                self._spelt += _texts(piece)
            case "forms":
                self._forms.append(_level(piece))
            case _:
                raise FormatError(f"a piece of the kind {piece.kind[:40]!r} cannot come here")

    def take_ledger(self, piece: _Piece) -> list[Row]:
        """Take a piece of the ledger, and give its rows.

        Raises:
            FormatError: it is not sound, or comes behind others.
        """
        require(not self._words, "its ledger does not come first")
        rows = _ledger_rows(piece)
        for row in rows:
            identity = row.phone, row.sequence
            require(identity > self._last_row, "its ledger is out of order")
            self._last_row = identity
            if not row.withdrawn and row.phone != self._last_counted:
                self._phones += 1
                self._last_counted = row.phone
        self._deltas += len(rows)
        return rows

    def _take_words(self, words: list[str]) -> None:
        for word in words:
            require(is_word(word), f"{word[:40]!r} is not a word by the rules of fedkeys.words")
            require(word > self._last_word, f"the words are out of order at {word!r}")
            self._last_word = word
        self._words += len(words)
        self._run.append_words(words)

    def _take_level(self, order: object, level: Level) -> None:
        require(
            type(order) is int and 1 <= order <= self._sizes.order, "a piece of a level that there is not"
        )
        assert isinstance(order, int)
        require(not any(self._writer.rows[order + 1 :]), "a lower order comes after a higher one")
        if not len(level):
            return
        self._check_phones(level)
        keys = level.keys
        ascends = bool(np.all(keys[1:] > keys[:-1])) and int(keys[0]) > self._last_keys[order]
        require(ascends, f"the n-grams of order {order} are out of order")
        parents = self._writer.rows[order - 1] if order > 1 else 1
        first = FIRST_WORD if order > 1 else 0
        require(
            bool(np.all(level.parents < parents))
            and bool(np.all((level.words >= first) & (level.words < FIRST_WORD + self._words))),
            f"an n-gram of order {order} has no prefix, or a word that there is not",
        )
        self._last_keys[order] = int(keys[-1])
        if order == 1:
            self._used += int(np.count_nonzero(level.words >= FIRST_WORD))
        self._writer.append(order, level)

    def _check_phones(self, level: Level) -> None:
        require(
            int(level.phones.max(initial=0)) <= self._phones,
            "an n-gram has more phones than there are in all",
        )

    def finish(self) -> None:
        """Write the forms, when everything has come.

        Raises:
            FormatError: something is missing.
        """
        sizes = self._sizes
        found = (self._deltas, self._words, self._used, self._writer.rows[1:])
        require(
            found == (sizes.deltas, sizes.words, sizes.words, sizes.rows),
            "it has more or fewer deltas, words or n-grams than its head says",
        )
        forms = Level.joined(self._forms or [Level.empty()])
        self._check_phones(forms)
        styles = forms.words[forms.words >= OTHER]
        require(
            len(forms) == sizes.forms == sum(map(len, self._forms))
            and bool(np.all((forms.parents >= FIRST_WORD) & (forms.parents < FIRST_WORD + self._words)))
            and np.array_equal(np.unique(styles), np.arange(OTHER, OTHER + len(self._spelt))),
            "its written forms do not fit its words",
        )
        require(
            all(one < other for one, other in pairwise(self._spelt)), "its written forms are out of order"
        )
        for form in self._spelt:
            word = fold(form)
            require(
                is_written_form(form, word) and style_of(form, word) == OTHER,
                f"{form[:40]!r} is no written form",
            )
        self._run.write_forms(forms, self._spelt)


def _texts(piece: _Piece) -> list[str]:
    data = piece.array("text", "u1").tobytes()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise FormatError(f"a piece {piece.kind!r} is not UTF-8") from None
    require(text.endswith("\n"), f"a piece {piece.kind!r} ends within a line")
    return text[:-1].split("\n")


def _level(piece: _Piece) -> Level:
    level = Level(piece.array("keys", "<u8"), piece.array("counts", "<i8"), piece.array("phones", "<i8"))
    require(
        len(level.keys) == len(level.counts) == len(level.phones), "a level's columns do not fit together"
    )
    require(
        bool(np.all((level.phones >= 0) & (level.counts >= level.phones) & (level.counts < _MOST_TIMES))),
        "an n-gram's counts cannot be",
    )
    return level
