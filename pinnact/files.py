"""Files that are whole or absent: written beside their name and moved there, arrays between a header and a checksum.

A file of arrays is one line of JSON, the arrays as NumPy writes them (`npy`), and the SHA-256 of all that. No pickle.
"""

import hashlib
import io
import json
import math
import os
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import filelock
import numpy as np

DIGEST = hashlib.sha256().digest_size
LOCK = ".lock"
DEFLATED = 1032  # times smaller than before is the most that deflate can make anything
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when all went well, and vanishes otherwise."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it first")
    temporary = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # a name must not reach the disk before what it names
        os.replace(temporary, path)
        _sync(path.parent)  # nor older files go before the new name is there
    finally:
        temporary.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """A folder, made where missing, for this process alone, also after a crash: ValueError where another holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / LOCK, timeout=0):
            yield
    except filelock.Timeout as error:
        raise ValueError(
            f"{folder} is in use by another process; choose another folder, or let that one end"
        ) from error


def plain_data(value: Any) -> Any:
    """`value` as JSON has it: NumPy numbers and arrays become Python's, what is not finite None, other things text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case complex():
            return [plain_data(value.real), plain_data(value.imag)]
        case Mapping():
            return {str(key): plain_data(entry) for key, entry in value.items()}
        case list() | tuple():
            return [plain_data(entry) for entry in value]
        case np.ndarray() | np.generic():
            return plain_data(value.tolist())
    return str(value)


class _Hashed(io.RawIOBase):
    """Passes on what is written and keeps its checksum, so that no second copy of the arrays is made."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.hash = file, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.hash.update(data)
        return self.file.write(data)


def write_arrays(path: Path, header: Mapping[str, Any], arrays: Iterable[np.ndarray]) -> None:
    """Write a file of arrays, whole or not at all; `header` is what JSON takes."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        out = _Hashed(file)
        out.write(json.dumps(header).encode() + b"\n")
        for array in arrays:
            np.lib.format.write_array(out, np.asarray(array), allow_pickle=False)
        file.write(out.hash.digest())


def read_arrays(path: Path, format: str, version: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What `write_arrays` wrote under a header that says this format; ValueError tells in one line what is wrong."""
    data = path.read_bytes()
    first, newline, payload = data.partition(b"\n")
    try:
        header = json.loads(first)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: cut off or no {format}, its first line is no header in JSON") from error
    if not isinstance(header, dict) or header.get("format") != format:
        raise ValueError(f"{path}: no {format}, its header does not say so")
    if header.get("version") != version:
        raise ValueError(f"{path}: of format {header.get('version')}, this pinnact reads {version}; use the newer one")
    if not newline or hashlib.sha256(data[:-DIGEST]).digest() != data[-DIGEST:]:
        raise ValueError(f"{path}: damaged, its checksum does not fit; copy or save it again")
    stream, arrays = io.BytesIO(payload[:-DIGEST]), []
    try:
        while stream.tell() < len(payload) - DIGEST:
            arrays.append(_array(stream, len(payload) - DIGEST))
    except Exception as error:  # NumPy raises what it likes for bytes that are no array
        raise ValueError(f"{path}: damaged, what follows its header is no array; copy or save it again") from error
    return header, arrays


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file by name; ValueError says in a few words why it is none. No pickle.

    No memory is taken for sizes that are only claimed: what is read is never more than the file can hold.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as file:
            parts = [part for part in file.infolist() if part.filename.endswith(".npy")]
            if sum(part.compress_size for part in parts) > path.stat().st_size:
                raise ValueError("its parts are larger than itself")
            for part in parts:
                if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError(f"{part.filename} is compressed in another way than NumPy's")
                if part.file_size > DEFLATED * part.compress_size:
                    raise ValueError(f"{part.filename} says that it is larger than it can be")
                with file.open(part) as opened:
                    arrays[part.filename.removesuffix(".npy")] = _array(opened, part.file_size)
                    opened.read()  # to the end, where the checksum is looked at
    except Exception as error:  # so do zipfile and zlib
        raise ValueError(one_line(error)) from error
    return arrays


def one_line(error: BaseException) -> str:
    """What an error says, in its first line; its kind where it says nothing."""
    return next((line.strip()[:300] for line in str(error).splitlines() if line.strip()), type(error).__name__)


def shown(value: object, most: int = 60) -> str:
    """A value as a message shows it: its beginning where it is long."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


def _array(file: Any, end: int) -> np.ndarray:
    """The array that `npy` has here, in a file of `end` bytes; ValueError for one that would be larger."""
    begin = file.tell()
    shape, _, dtype = HEADERS[np.lib.format.read_magic(file)](file)
    if math.prod(shape) * max(dtype.itemsize, 1) > end - file.tell():
        raise ValueError(f"an array says that its shape is {shape}, more than there is")
    file.seek(begin)
    return np.lib.format.read_array(file, allow_pickle=False)
