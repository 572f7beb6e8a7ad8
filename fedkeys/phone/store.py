"""The personal store: a personal model that lasts.

In: messages. Out: the same personal model, in the next process. Laws: a message is on the disk before `learn`
returns, and a kill or a power cut at any instant leaves the model before a message or after it; a word that was
forgotten is in none of the store's files when `forget` returns; one process at a time works on a store; what is
damaged is named, and nothing in it is changed.

A store is a directory that only its owner can read:

    snapshot   what was known at some time (`fedkeys.phone.snapshot`)
    journal    the messages learnt since (`fedkeys.phone.journal`); they name the generation of their snapshot
    lock       held by the process that works on it

What is dropped before counting, addresses, numbers and codes, is never written, nor is a message as it was typed.
But n-grams overlap, and a journal holds words in their order, so whoever may read the store can read much of what
was typed. A journal that was damaged in its last message, and nowhere else, cannot be told from one whose
writing was interrupted there.

To forget, a new snapshot without the word is written, flushed, and renamed over the old one, then the journal is
removed; a kill between leaves a journal of an older generation, which the next process removes. No byte is
overwritten in place, which on most disks would reach a copy only: the blocks that were given back may hold the
word until the file system uses them again, as may its own snapshots, a disk's spare blocks and backups.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from fedkeys.container import atomic_file, read_bytes, sync_directory, write_atomically
from fedkeys.errors import DamagedError, FedkeysError, FormatError, StorageError
from fedkeys.phone.contents import Contents
from fedkeys.phone.exported import export_lines, read_exported
from fedkeys.phone.journal import Journal, read_journal
from fedkeys.phone.lock import FileLock
from fedkeys.phone.personal import MAX_NGRAMS, PersonalModel
from fedkeys.phone.snapshot import pack_snapshot, unpack_snapshot

_SNAPSHOT, _JOURNAL, _LOCK = "snapshot", "journal", "lock"

_TAKEN = ("another fedkeys has this personal store open", "close it, or name another place with --data-dir")

_MOST_BYTES = 1 << 30
_LONG_AT_OPEN = (
    1 << 16
)  # bytes of journal: reading them takes as long as writing a snapshot of a year's words
_LONG = 1 << 20  # while messages are typed a snapshot waits longer, since its owner waits for it
_MANY_ITEMS = 1 << 18  # of one message; more go into a snapshot at once


class PersonalStore(PersonalModel):
    """A personal model kept in a directory; whatever changes it is on the disk before it returns.

    Args:
        path: the directory; it is made if it is not there.
        max_ngrams: as for `PersonalModel`.

    Raises:
        FormatError: it is damaged, or no store (VersionError: it is newer).
        TakenError: another process works on it.
        StorageError: it cannot be read or written.
    """

    def __init__(self, path: Path, max_ngrams: int = MAX_NGRAMS) -> None:
        super().__init__(max_ngrams)
        self.path = path
        # Whether the disk may hold something else than memory, since it could not be written.
        self._behind = False
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = FileLock(path / _LOCK, *_TAKEN)
        except (FileExistsError, NotADirectoryError):
            remedy = "name a directory of its own with --data-dir"
            raise StorageError("a file is where a directory is to be", file=path, remedy=remedy) from None
        except OSError as error:
            raise self._failure(error.strerror) from None
        try:
            with self._naming_the_disk():
                self._open()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others work on it."""
        self._journal.close()
        self._lock.release()

    def learn_items(self, items: Iterable[str]) -> None:
        """Count one message, as `PersonalModel.learn_items` does.

        Raises:
            StorageError: it could not be written, and is not counted.
        """
        items = list(items)
        if self._behind:
            self._save()
        if len(items) > _MANY_ITEMS:
            self._learn_at_once(items)
            return
        with self._naming_the_disk():
            self._behind = True
            self._journal.append(items)
            self._behind = False
        super().learn_items(items)
        if self._journal.size > _LONG:
            self._compact()

    def forget(self, word: str) -> bool:
        """Forget a word, as `PersonalModel.forget` does, and have it in no file.

        Raises:
            StorageError: it could not be written, and the files may hold the word.
        """
        known = super().forget(word)
        self._save()  # known or not: a word that had to make room may still be in the journal
        return known

    def forget_all(self) -> None:
        """Forget everything, and have nothing of it in any file.

        Raises:
            StorageError: it could not be written, and the files may hold what was known.
        """
        super().forget_all()
        self._save()

    def export(self, path: Path) -> int:
        """Write what it knows as a text (`fedkeys.phone.exported`), for its owner only; tell how many lines.

        Raises:
            FedkeysError: it cannot be written.
        """
        lines = 0
        with atomic_file(path, private=True) as file:
            for line in export_lines(self.contents):
                file.write(f"{line}\n".encode())
                lines += 1
        return lines

    def import_(self, path: Path) -> None:
        """Add what was exported, as if it had been typed here before all else; done twice, it counts twice.

        Raises:
            FormatError: it is not what `export` writes; nothing is added.
            StorageError: it could not be written.
        """
        self.merge(read_exported(path))
        self._save()

    def _open(self) -> None:
        for left_over in self.path.glob(f".{_SNAPSHOT}.*"):
            left_over.unlink()  # by a process that was killed while it wrote one
        snapshot, journal = self.path / _SNAPSHOT, self.path / _JOURNAL
        generation = self._read_snapshot(snapshot) if snapshot.exists() else 0
        whole = self._replay(journal, generation) if journal.exists() else 0
        if not whole:
            self._remove(journal)  # all is in the snapshot, or its only message was never whole
        self._journal = Journal(journal, generation)
        self._behind = self._journal.size > whole
        self._halve()
        self._make_room()
        if self._journal.size > _LONG_AT_OPEN:
            self._compact()

    def _read_snapshot(self, path: Path) -> int:
        """Know what is in the snapshot; tell its generation."""
        try:
            contents, generation = unpack_snapshot(read_bytes(path, _MOST_BYTES))
        except FormatError as error:
            raise _with_remedy(error.at(path)) from None
        self._become(contents)
        return generation

    def _replay(self, path: Path, generation: int) -> int:
        """Learn what is in the journal, if it is that of the snapshot; tell how many bytes of it count."""
        whole = 0
        try:
            for record in read_journal(path):
                if record.generation < generation:
                    return 0
                if record.generation > generation:
                    raise FormatError("the snapshot that it belongs to is missing", file=path)
                super().learn_items(record.items)
                whole = record.end
        except FormatError as error:
            raise _with_remedy(error) from None
        return whole

    def _learn_at_once(self, items: list[str]) -> None:
        """Count a message too long for the journal: in a copy, which is written before it is known here."""
        counted = PersonalModel(self.max_ngrams)
        counted._become(unpack_snapshot(_packed(self.contents, 0))[0])
        counted.learn_items(items)
        self._save(counted.contents)
        self._become(counted.contents)

    def _compact(self) -> None:
        """Have a snapshot instead of a long journal; if it cannot be written, the next change tries again."""
        with suppress(StorageError):  # all is on the disk
            self._save()

    def _save(self, contents: Contents | None = None) -> None:
        """Write all that is known into a snapshot of the next generation, and remove the journal.

        Args:
            contents: what will be known once it is written; what is known now when not given.
        """
        with self._naming_the_disk():
            self._behind = True
            generation = self._journal.generation + 1
            data = _packed(self.contents if contents is None else contents, generation)
            write_atomically(self.path / _SNAPSHOT, data, private=True)
            sync_directory(self.path)
            self._journal.close()
            self._remove(self._journal.path)
            self._journal = Journal(self._journal.path, generation)
            self._behind = False

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        sync_directory(self.path)

    @contextmanager
    def _naming_the_disk(self) -> Iterator[None]:
        """Say what its owner can do about a disk that does not take what it is given."""
        if not self._lock.held:
            raise StorageError("was closed", file=self.path, remedy="open it again")
        try:
            yield
        except FormatError:
            raise
        except FedkeysError as error:
            raise self._failure(error.what) from None
        except OSError as error:
            raise self._failure(error.strerror) from None

    def _failure(self, why: str | None) -> StorageError:
        remedy = "make room, or name another place with --data-dir; what was learnt before is there"
        return StorageError(f"the personal store cannot be kept ({why})", file=self.path, remedy=remedy)


def _packed(contents: Contents, generation: int) -> bytes:
    try:
        return pack_snapshot(contents, generation)
    except (OverflowError, ValueError) as error:
        raise StorageError(f"what it knows has no place in a snapshot: {error}") from None


def _with_remedy(error: FedkeysError) -> FedkeysError:
    if error.remedy is None or isinstance(error, DamagedError):
        error.remedy = (
            "nothing was changed: bring it back from a copy, or move its directory away to begin anew"
        )
    return error
