"""May this request be answered, or were there too many lately?"""

__all__ = ["TokenBucket"]


class TokenBucket:
    """A bucket that holds `burst` requests and gains one every `interval` seconds."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._at = float("-inf")

    def takes(self, interval: float, burst: int, now: float) -> bool:
        """Whether there is a token for a request at `now`; an interval of 0 means no limit."""
        if interval <= 0:
            return True
        self._tokens = min(float(max(burst, 1)), self._tokens + (now - self._at) / interval)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
