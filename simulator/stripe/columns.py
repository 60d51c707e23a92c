"""How are weeks of payments kept in little memory?"""

from array import array
from bisect import bisect_left
from collections import deque

__all__ = ["Columns"]

_ROWS = 16_384


class Columns:
    """A table of whole numbers that grows at its end and is forgotten from its beginning.

    `codes` are the type codes of `array` for its columns; the first column never decreases.
    """

    def __init__(self, codes: str) -> None:
        self._codes = codes
        self._chunks: deque[tuple[array[int], ...]] = deque()
        self.first = 0
        """The number of the first row that is still there."""
        self.end = 0
        """The number that the next row will have."""

    def append(self, *values: int) -> int:
        """Add a row, and give its number."""
        if self.end % _ROWS == 0:
            self._chunks.append(tuple(array(code) for code in self._codes))
        for column, value in zip(self._chunks[-1], values, strict=True):
            column.append(value)
        self.end += 1
        return self.end - 1

    def row(self, number: int) -> tuple[int, ...]:
        """The row of that number. Raises IndexError where it was forgotten."""
        if not self.first <= number < self.end:
            raise IndexError(number)
        chunk, at = divmod(number - self.first, _ROWS)
        return tuple(column[at] for column in self._chunks[chunk])

    def set(self, number: int, column: int, value: int) -> None:
        """Change one value."""
        chunk, at = divmod(number - self.first, _ROWS)
        self._chunks[chunk][column][at] = value

    def since(self, value: int) -> int:
        """The number of the first row whose first column is `value` or more."""
        number = self.first
        for chunk in self._chunks:
            if chunk[0][-1] >= value:
                return number + bisect_left(chunk[0], value)
            number += len(chunk[0])
        return number

    def forget(self, value: int) -> None:
        """Forget rows whose first column is under `value`, as far as whole chunks allow."""
        while len(self._chunks) > 1 and self._chunks[0][0][-1] < value:
            self._chunks.popleft()
            self.first += _ROWS
