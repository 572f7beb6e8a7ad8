"""A storage that fsspec reads as it reads HTTP where a server is at its most awkward.

Its paths are URLs and may have a query. Nobody knows sizes, reads give a few bytes, and nothing can be sought.
What is called broken is refused, by an error that is no OSError and names the URL with its query.
"""

from typing import Any, ClassVar

from fsspec import AbstractFileSystem


class RefusalError(Exception):
    """What the library of this storage raises."""


class OddStorage(AbstractFileSystem):  # type: ignore[misc]
    protocol = "odd"
    cachable = False
    held: ClassVar[dict[str, bytes]] = {}

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        if path.partition("?")[0] not in self.held:
            raise FileNotFoundError(path)
        return {"name": path, "size": None, "type": "file"}

    def isdir(self, path: str) -> bool:
        assert not path.partition("?")[0].endswith(".deltas"), "a log is read as a page of links"
        return any(name.startswith(path + "/") for name in self.held)

    def find(self, path: str, *_: Any, **__: Any) -> dict[str, dict[str, Any]]:
        return {name: self.info(name) for name in self.held if name.startswith(path + "/")}

    def open(self, path: str, *_: Any, **__: Any) -> "Stream":
        return Stream(path, self.held[path.partition("?")[0]])


class Stream:
    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.data = data
        self.at = 0

    def read(self, size: int) -> bytes:
        if "broken" in self.path:
            raise RefusalError(f"403 of {self.path}")
        found = self.data[self.at : self.at + min(size, 7)]
        self.at += len(found)
        return found

    def seek(self, place: int) -> None:
        if place != self.at:
            raise ValueError("Cannot seek")

    def close(self) -> None:
        pass
