"""Where translated rows are gathered beside their target, so that a run may end at any point and go on later.

The directory `.NAME.parts` holds `data`, which grows part by part and becomes the target by one rename; `notes`,
what the end of the file has to know of each part; `rejects`; and `manifest.json`, which says what the parts are of
and how long each file is up to the last whole part. What is longer was interrupted and is cut off. The manifest is
replaced after the bytes that it speaks of are on disk.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from interlock.adapters.schemas.row_encoders import Encoder, Note
from interlock.engine.lens_data import Place, Progress, Translated
from interlock.kernel.errors import Invalid, Refused, Unavailable

_LAYOUT: Final = 1
_FILES: Final = ("data", "notes", "rejects")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class TargetExists(Refused):
    """Something is there already that the run would replace."""

    code = "data.target_exists"


class TargetIsSource(Invalid):
    """The target is the file that is read."""

    code = "data.target_is_source"


class TargetFull(Unavailable):
    """No space is left where the target is written."""

    code = "data.target_full"


class TargetUnwritable(Unavailable):
    """The target cannot be written."""

    code = "data.target_unwritable"


class TargetBusy(Unavailable):
    """Another run writes the same target now."""

    code = "data.target_busy"


@dataclass(frozen=True, slots=True)
class Work:
    """What parts are of. Parts of another work are void; each entry says what differs, to a person."""

    lens: str
    source: str
    form: str

    def differs_from(self, other: Any) -> str:
        if not isinstance(other, dict):
            return "what they are of cannot be read"
        words = {"lens": "the lens is another", "source": "the input has changed", "form": "the format is another"}
        return next((words[key] for key, value in asdict(self).items() if other.get(key) != value), "")


@dataclass(slots=True)
class FileParts:
    """The parts of one target file. void: why parts of an earlier run could not be used; empty when they could, or
    there were none.
    """

    out: Path
    rejects: Path | None
    encoder: Encoder
    work: Work
    progress: Progress = field(default_factory=Progress)
    void: str = ""
    _lock: Any = None
    _sizes: dict[str, int] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def opened(
        cls, out: Path, rejects: Path | None, encoder: Encoder, work: Work, is_forced: bool
    ) -> Iterator[Self]:
        """The parts, for this run alone. TargetExists unless `is_forced`; TargetBusy, TargetFull,
        TargetUnwritable.
        """
        parts = cls(out, rejects, encoder, work)
        with _told(out):
            parts._claim(is_forced)
        try:
            yield parts
        finally:
            if parts.progress.place.row == 0:  # nothing is lost with them
                shutil.rmtree(parts.place, ignore_errors=True)
            os.close(parts._lock)

    @property
    def place(self) -> Path:
        return self.out.with_name(f".{self.out.name}.parts")

    def _claim(self, is_forced: bool) -> None:
        is_ours = self.place.is_dir()
        if not is_ours:
            self._refuse_existing(is_forced)
            self.place.mkdir(exist_ok=True)
        self._lock = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            manifest = self._manifest() if is_ours else {}
            self.void = self._why_void(manifest) if manifest else ""
            if self.void or not manifest.get("is_publishing"):
                self._refuse_existing(is_forced)
            self._resume(manifest)
        except BlockingIOError:
            os.close(self._lock)
            says = f"another run writes {self.out} now"
            raise TargetBusy(says, remedy="Wait for it, or name another target.") from None
        except BaseException:
            os.close(self._lock)
            raise

    def _refuse_existing(self, is_forced: bool) -> None:
        for path in (one for one in (self.out, self.rejects) if one is not None and one.exists()):
            if not path.is_file():  # /dev/null, say: whoever may replace it would take it from everybody
                raise TargetUnwritable(f"{path} is there, and is no file", remedy="Name another file.")
            if not is_forced:
                raise TargetExists(
                    f"{path} is there already", remedy="Name another file, or replace it by --force."
                )

    def _manifest(self) -> dict[str, Any]:
        try:
            found = json.loads((self.place / "manifest.json").read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            return {"layout": "unreadable"}
        return found if isinstance(found, dict) else {"layout": "unreadable"}

    def _resume(self, manifest: dict[str, Any]) -> None:
        if not manifest or self.void:
            self._begin()
            return
        told = manifest["progress"]
        self.progress = Progress(**{**told, "place": Place(**told["place"])})
        self._sizes = manifest["sizes"]
        if not self._is_published(manifest):
            for name, size in self._sizes.items():
                os.truncate(self.place / name, size)

    def _why_void(self, manifest: dict[str, Any]) -> str:
        if manifest.get("layout") != _LAYOUT:
            return "they were written by another version"
        if differs := self.work.differs_from(manifest.get("work")):
            return differs
        if self.rejects is None and manifest["progress"]["rejected"]:
            return "they leave rows out that were rejected"
        if self._is_published(manifest):
            return ""
        for name, size in manifest["sizes"].items():
            path = self.place / name
            if not path.is_file() or path.stat().st_size < size:
                return "they are not whole"
        return ""

    def _is_published(self, manifest: dict[str, Any]) -> bool:
        """Whether a run ended after the rename, and before it tidied up."""
        if not manifest.get("is_publishing") or (self.place / "data").exists() or not self.out.is_file():
            return False
        return bool(self.out.stat().st_size == manifest.get("size"))

    def _begin(self) -> None:
        self.progress = Progress()
        head = self.encoder.head()
        for name in _FILES:
            (self.place / name).write_bytes(head if name == "data" else b"")
        self._sizes = {"data": len(head), "notes": 0, "rejects": 0}
        self._commit(self.progress)

    def put(self, moved: Translated, progress: Progress) -> None:
        """Keep the rows and the progress, both or neither."""
        body, note = self.encoder.part(moved.rows) if moved.count else (b"", b"")
        noted = {"at": self._sizes["data"], "note": base64.b64encode(note).decode()}
        rejected = [_line(one.document) for one in moved.rejected]
        with _told(self.out):
            for name, content in (
                ("data", body),
                ("notes", _line(noted) if note else b""),
                ("rejects", b"".join(rejected)),
            ):
                if content:
                    self._append(name, content)
            self._commit(progress)

    def _append(self, name: str, content: bytes) -> None:
        with (self.place / name).open("r+b") as file:
            file.seek(self._sizes[name])
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._sizes[name] += len(content)

    def _commit(self, progress: Progress, **more: Any) -> None:
        document = {
            "layout": _LAYOUT,
            "work": asdict(self.work),
            "progress": asdict(progress),
            "sizes": self._sizes,
        }
        _replace(self.place / "manifest.json", _line({**document, **more}))
        self.progress = progress

    def publish(self, progress: Progress) -> None:
        """The rejected rows and the target appear, each whole; the parts go."""
        data = self.place / "data"
        with _told(self.out):
            if data.exists():
                self._finish(data, progress)
            shutil.rmtree(self.place)

    def _finish(self, data: Path, progress: Progress) -> None:
        tail = self.encoder.tail(data, self._notes())
        with data.open("ab") as file:
            file.write(tail)
            file.flush()
            os.fsync(file.fileno())
        self._commit(progress, is_publishing=True, size=self._sizes["data"] + len(tail))
        if self.rejects is not None:
            _replace(self.rejects, (self.place / "rejects").read_bytes())
        data.replace(self.out)
        _sync_directory(self.out.parent)

    def _notes(self) -> Iterator[Note]:
        with (self.place / "notes").open("rb") as file:
            for line in file:
                noted = json.loads(line)
                yield base64.b64decode(noted["note"]), noted["at"]


def _line(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, default=str).encode() + b"\n"


def _replace(path: Path, content: bytes) -> None:
    """A file with this content, or the one that was there."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _sync_directory(path: Path) -> None:
    with suppress(OSError):  # some file systems know no such thing
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(held)
        finally:
            os.close(held)


@contextmanager
def _told(out: Path) -> Iterator[None]:
    """What the system says, as what a person can do about it."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            says = f"no space is left to write {out}"
            remedy = "Make room and run again: finished parts are kept, and the run goes on behind them."
            raise TargetFull(says, remedy=remedy) from error
        raise TargetUnwritable(f"{out} cannot be written: {error.strerror or error}") from error
