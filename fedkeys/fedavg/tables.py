"""Hospitals' tables: one CSV a hospital.

In: a CSV file, or a directory of some with one header line in common. Out: tables of numbers. Law: a cell that is
no number is an error that names file, line and column.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fedkeys.errors import SourceError
from fedkeys.fedavg.models.base import Array


class Table(NamedTuple):
    """One hospital's table.

    Attributes:
        name: the file's name without its ending.
        columns: the header.
        values: float[rows, columns], NaN where a cell is empty.
    """

    name: str
    columns: tuple[str, ...]
    values: Array


def read_tables(directory: Path) -> list[Table]:
    """Read every `.csv` of a directory.

    Raises:
        SourceError: there are fewer than two, their headers differ, or a cell is no number.
    """
    files = table_files(directory)
    tables = [read_table(file) for file in files]
    for file, table in zip(files, tables, strict=True):
        if table.columns != tables[0].columns:
            raise SourceError(
                f"its columns are not those of {files[0].name}",
                file=file,
                place="line 1",
                remedy=f"expected {','.join(tables[0].columns)}",
            )
    return tables


def table_files(directory: Path) -> list[Path]:
    """Find the tables of a directory, in the order of the hospitals' names.

    Raises:
        SourceError: there are fewer than two.
    """
    files = sorted(directory.glob("*.csv"), key=lambda file: file.stem) if directory.is_dir() else []
    if len(files) < 2:
        raise SourceError(
            "fewer than two .csv files", file=directory, remedy="put one file for each hospital there"
        )
    return files


def read_table(file: Path) -> Table:
    """Read one table.

    Raises:
        SourceError: it has no rows, its header repeats a name, or a cell is no number.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines)
            columns = tuple(name.strip() for name in next(reader, []))
            rows = [_numbers(row, columns, file, reader.line_num) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"cannot be read as CSV ({error})", file=file) from None
    if not rows or len(set(columns)) != len(columns):
        raise SourceError("no rows below a header of distinct names", file=file)
    return Table(file.stem, columns, np.array(rows))


def _numbers(row: list[str], columns: Sequence[str], file: Path, line: int) -> list[float]:
    if len(row) != len(columns):
        raise SourceError(
            f"{len(row)} cells where {len(columns)} were expected", file=file, place=f"line {line}"
        )
    numbers: list[float] = []
    for name, cell in zip(columns, row, strict=True):
        try:
            number = float(cell) if cell.strip() else float("nan")
            if np.isinf(number):
                raise ValueError
        except ValueError:
            raise SourceError(
                f"{cell[:20]!r} is no number",
                file=file,
                place=f"line {line}, column {name}",
                remedy="leave the cell empty if the value is missing",
            ) from None
        numbers.append(number)
    return numbers
