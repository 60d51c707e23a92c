"""How does an event loop fare whose name server never answers?"""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager


@asynccontextmanager
async def look_ups_that_hang() -> AsyncIterator[None]:
    """Every look-up waits, as behind others that hang: the threads that look names up are all taken."""
    loop = asyncio.get_running_loop()
    answered = threading.Event()
    threads = ThreadPoolExecutor(1)
    loop.set_default_executor(threads)
    hanging = loop.run_in_executor(None, answered.wait, 60)
    try:
        yield
    finally:
        answered.set()
        await hanging
