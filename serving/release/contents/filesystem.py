"""The file system that the layers of an image make together, as far as it is looked at."""

import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serving.release.contents.layers import OPAQUE, WHITEOUT, ContentsError, Entry, entries

LARGEST = 64 << 20
"""Bytes of the largest file that is kept; the interpreter is the largest that is looked at."""
STEPS = 640
"""Parts of a path that are looked at before its symbolic links are taken for a loop."""

Wanted = Callable[[str], bool]


@dataclass(frozen=True)
class Node:
    """What stands at a path.

    Attributes:
        is_directory: Whether it is one.
        link: Where a symbolic link leads to; empty if it is none.
        content: What is in a file; None if it was not asked for.
    """

    is_directory: bool = False
    link: str = ""
    content: bytes | None = None


@dataclass(frozen=True)
class FileSystem:
    """All paths of an image, and the content of the files that were asked for.

    Attributes:
        nodes: What there is, by its path without a leading slash.
    """

    nodes: dict[str, Node] = field(default_factory=dict)

    @classmethod
    def of(cls, layers: Sequence[Path], *, wanted: Wanted) -> "FileSystem":
        """What the layers hold together.

        Args:
            layers: Archives of the layers, the lowest first.
            wanted: Whether the file of a path is to be kept.

        Raises:
            ContentsError: A layer can't be read.
        """
        system = cls()
        for layer in layers:
            system._apply(layer, wanted)
        return system

    def read(self, path: str) -> bytes | None:
        """The content of a file, symbolic links followed; None if there is none or was not kept."""
        found = self.nodes.get(self._resolved(path))
        return found.content if found is not None else None

    def text(self, path: str) -> str | None:
        """The same as text; what is no UTF-8 is taken for Latin-1."""
        content = self.read(path)
        return None if content is None else decoded(content)

    def files(self, fits: Wanted) -> list[str]:
        """The paths of files, and of symbolic links to files, that were kept; in order.

        Raises:
            ContentsError: The content of one of them is not to be had.
        """
        found = sorted(path for path in self.nodes if fits(path))
        for path in found:
            node = self.nodes[path]
            if not (node.is_directory or node.link) and node.content is None:
                raise ContentsError(
                    f"{path} is a hard link to a file of another name, or no regular file; build "
                    "the image with files that are copied"
                )
        return [path for path in found if self.read(path) is not None]

    def _apply(self, layer: Path, wanted: Wanted) -> None:
        """Takes away what a layer removes from those below it, and puts on what it brings."""
        brought: dict[str, Node] = {}
        gone, emptied = set[str](), set[str]()
        for entry in entries(layer):
            parent = posixpath.dirname(entry.path)
            if entry.name == OPAQUE:
                emptied.add(parent)
            elif entry.is_whiteout:
                gone.add(posixpath.join(parent, entry.name.removeprefix(WHITEOUT)))
            elif entry.path:
                brought[entry.path] = self._node(entry, brought, wanted, layer)
        gone |= {path for path, node in brought.items() if not node.is_directory}
        self._drop(gone, emptied)
        self.nodes.update(brought)

    def _node(self, entry: Entry, brought: dict[str, Node], wanted: Wanted, layer: Path) -> Node:
        info = entry.info
        if info.isdir():
            return Node(is_directory=True)
        if info.issym():
            return Node(link=info.linkname)
        if info.islnk():
            target = posixpath.normpath("/" + info.linkname).lstrip("/")
            return brought.get(target) or self.nodes.get(target) or Node()
        if not (info.isreg() and wanted(entry.path)):
            return Node()
        if info.size > LARGEST:
            raise ContentsError(
                f"{entry.path} in {layer} is {info.size} bytes large, more than the {LARGEST} that "
                "such a file may have; look what it is"
            )
        return Node(content=entry.read())

    def _drop(self, gone: set[str], emptied: set[str]) -> None:
        """Removes paths with all below them, and what is below directories."""
        above = (gone & self.nodes.keys()) | emptied
        left = [path for path in self.nodes if path in gone or above & {*_parents(path)}]
        for path in left:
            del self.nodes[path]

    def _resolved(self, path: str) -> str:
        """A path without symbolic links; a loop or a way out of the image leads nowhere."""
        parts, done = path.split("/")[::-1], ""
        for _ in range(STEPS):
            if not parts:
                return done
            step = posixpath.normpath(posixpath.join("/", done, parts.pop())).lstrip("/")
            link = self.nodes[step].link if step in self.nodes else ""
            parts += link.split("/")[::-1] if link else []
            done = ("" if link.startswith("/") else done) if link else step
        return ""


def _parents(path: str) -> Iterator[str]:
    while path:
        path = posixpath.dirname(path)
        yield path


def decoded(content: bytes) -> str:
    """A text in UTF-8, or else in Latin-1, which some authors of licences still write."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
