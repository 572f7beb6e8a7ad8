"""Partial aggregates: what one aggregator has merged, as a file that another merges whole.

In: totals and a ledger. Out: a file; and from it a run, and the rows of its ledger. Laws: any tree of partial
merges gives the payload of one place, byte for byte; a partial that was cut short or changed is refused, and
leaves nothing; of a partial no more is in memory than one of its pieces, and its ledger.

Format, version 1: messages one after the other, as in a log of deltas. Each is a container of arrays
(`fedkeys.container.arrays`) of the format "fedkeys.partial" with at most 8 MiB, whose header says its `kind`:

    head     federation; bounds, a list of those enforced; round, the last one; enrolled; order, the highest;
             words, rows (a list, one number an order), forms, deltas: how many follow
    ledger   phone and digest (uint8, 16 a delta), sequence (uint32), withdrawn (uint8), by phone and sequence
    words    text (uint8): words, ascending by code point, each followed by a newline, as UTF-8
    level    `order`: keys (uint64), counts and phones (int64), as a run has them, the lower orders first
    spelt    text (uint8): the written forms without a style, likewise
    forms    keys, counts and phones of written forms
    end      pieces: how many came before this one; digest: BLAKE2b-16 over their checksums, in order

A kind may come in several pieces, or in none. A partial is as much to be trusted as the aggregator that wrote
it: whoever can hand one in can claim any number of phones.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedkeys.aggregator.ledger import Row
from fedkeys.aggregator.messages import Message, messages
from fedkeys.aggregator.runs import Run, Writer
from fedkeys.aggregator.totals import Totals
from fedkeys.container import SEAL_SIZE, Container, atomic_file, pack_arrays, unpack_arrays
from fedkeys.counts import FIRST_WORD, Level
from fedkeys.delta.checks import DIGEST_SIZE, MAX_ORDER, PHONE_SIZE, require
from fedkeys.errors import DamagedError, FedkeysError, FormatError
from fedkeys.words import OTHER, fold, is_word, is_written_form, style_of

PARTIAL_FORMAT, PARTIAL_VERSION = "fedkeys.partial", 1
PARTIAL_SUFFIX = ".partial"

_ROWS = 1 << 18  # in a piece: 6 MiB of a level
_DELTAS, _TEXTS = 1 << 17, 1 << 16
_MOST_TIMES = 1 << 48  # as a count, so that those of many partials can be added

_Arrays = dict[str, NDArray[Any]]


class Account(NamedTuple):
    """What a partial says of how it was made.

    Attributes:
        federation: its name.
        bounds: the bounds that were enforced, None among them for none.
        round: the last round.
        enrolled: whether all its deltas were signed by enrolled phones.
    """

    federation: str
    bounds: list[dict[str, int] | None]
    round: int
    enrolled: bool


def write_partial(path: Path, account: Account, totals: Totals, deltas: int, ledger: Iterator[Row]) -> None:
    """Write a partial aggregate; the same deltas under the same bounds give the same bytes.

    Args:
        path: the file.
        account: how it was made.
        totals: its sums.
        deltas: how many rows the ledger has.
        ledger: the rows, by phone and number.

    Raises:
        FedkeysError: the file cannot be written.
    """
    with atomic_file(path) as file:
        writer = _PieceWriter(file)
        words = sum(1 for _ in totals.words)
        sizes = {
            "order": len(totals.levels),
            "words": words,
            "rows": [len(level) for level in totals.levels],
            "forms": len(totals.forms),
            "deltas": deltas,
        }
        writer.write("head", {**account._asdict(), **sizes}, {})
        while rows := list(islice(ledger, _DELTAS)):
            writer.write("ledger", {}, _ledger_arrays(rows))
        writer.write_texts("words", iter(totals.words))
        for order, level in enumerate(totals.levels, 1):
            for start in range(0, len(level), _ROWS):
                writer.write("level", {"order": order}, _level_arrays(level[start : start + _ROWS]))
        writer.write_texts("spelt", iter(totals.spelt))
        for start in range(0, len(totals.forms), _ROWS):
            writer.write("forms", {}, _level_arrays(totals.forms[start : start + _ROWS]))
        writer.end()


class _PieceWriter:
    """Writes pieces, and at last the one that tells whether all are there."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pieces = 0
        self._digest = blake2b(digest_size=DIGEST_SIZE)

    def write(self, kind: str, header: dict[str, Any], arrays: _Arrays) -> None:
        data = pack_arrays(PARTIAL_FORMAT, PARTIAL_VERSION, {"kind": kind, **header}, arrays)
        self._pieces += 1
        self._digest.update(data[-SEAL_SIZE:])
        self._file.write(data)

    def write_texts(self, kind: str, texts: Iterator[str]) -> None:
        while some := list(islice(texts, _TEXTS)):
            text = "".join(f"{text}\n" for text in some).encode()
            self.write(kind, {}, {"text": np.frombuffer(text, np.uint8)})

    def end(self) -> None:
        self.write("end", {"pieces": self._pieces, "digest": self._digest.digest()}, {})


def _ledger_arrays(rows: Sequence[Row]) -> _Arrays:
    return {
        "phone": np.frombuffer(b"".join(row.phone for row in rows), np.uint8),
        "sequence": np.array([row.sequence for row in rows], np.uint32),
        "digest": np.frombuffer(b"".join(row.digest for row in rows), np.uint8),
        "withdrawn": np.array([row.withdrawn for row in rows], np.uint8),
    }


def _level_arrays(level: Level) -> _Arrays:
    return {"keys": level.keys, "counts": level.counts, "phones": level.phones}


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
