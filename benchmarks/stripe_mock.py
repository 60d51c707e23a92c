"""Is every request that the exporter sends valid by Stripe's own OpenAPI description?

    python -m benchmarks.stripe_mock [PROGRAM]

stripe-mock answers 400 to what its copy of the description does not allow. It comes from the Go module proxy:
`go install github.com/stripe/stripe-mock@v0.203.0`. It keeps no state and invents its answers, so that what is made of
them says nothing: only whether a request was refused. Not part of CI.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable

import httpx

from exporters.stripe.reading.client import StripeReads
from exporters.stripe.reading.governor import Governor
from exporters.stripe.settings import StripeSettings
from rules.payments.webhooks import EVENT_TYPES
from tests.servers import free_port

_SECONDS = 30
_NOW = 1_800_000_000

REQUESTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("events", {"limit": 1, "types": EVENT_TYPES}),
    ("events", {"limit": 100, "types": EVENT_TYPES, "created": {"gte": _NOW}}),
    ("events", {"limit": 100, "types": EVENT_TYPES, "created": {"gte": 1, "lte": _NOW}, "starting_after": "evt_123"}),
    ("events", {"limit": 100, "delivery_success": "false"}),
    ("events", {"limit": 100, "delivery_success": "false", "starting_after": "evt_123"}),
    ("account", {}),
    ("balance", {}),
    ("webhook_endpoints", {"limit": 100}),
    ("disputes", {"limit": 100, "created": {"gte": _NOW}}),
    ("disputes", {"limit": 100, "created": {"lt": _NOW}, "starting_after": "dp_123"}),
)
"""Every request with every parameter, as `events`, `account`, `webhooks` and `disputes` send them."""

WRONG = ("events", {"limit": 100, "kinds": ["charge.failed"]})
"""One that must be refused: else the others prove nothing."""


def main() -> None:
    """Print what stripe-mock says to each request; exit status 1 where one is refused."""
    program = sys.argv[1] if len(sys.argv) > 1 else shutil.which("stripe-mock")
    if program is None:
        print("not asked: no stripe-mock here; go install github.com/stripe/stripe-mock@v0.203.0, or name the program")
        return
    port = free_port()
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen([program, "-http-addr", f"127.0.0.1:{port}"], stdout=log, stderr=log) as process,
    ):
        try:
            _wait(f"http://127.0.0.1:{port}/v1/account")
            version = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stdout.strip()
            print(version or program)
            refused = [asyncio.run(_told(port, account)) for account in ("", "acct_123")]
        finally:
            process.terminate()
    sys.exit(1 if any(refused) else 0)


def _wait(url: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        try:
            httpx.get(url, headers={"authorization": "Bearer rk_test_123"}, timeout=2)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    sys.exit("stripe-mock does not answer")


async def _told(port: int, account: str) -> int:
    settings = StripeSettings.model_validate(
        {"api_key": "rk_test_123", "api_url": f"http://127.0.0.1:{port}", "account": account}
    )
    reads = StripeReads(settings, Governor(1.0, lambda: 0.5), time.time)
    refused = 0
    for endpoint, parameters in REQUESTS:
        problem = await _problem(reads.get(endpoint, parameters))
        refused += bool(problem)
        print(f"{'refused' if problem else 'valid':8} {endpoint} {', '.join(parameters)} {problem}")
    if not await _problem(reads.get(*WRONG)):
        sys.exit("it refuses nothing: what it says of the others proves nothing")
    await reads.close()
    return refused


async def _problem(asking: Awaitable[object]) -> str:
    try:
        await asking
    except Exception as error:
        return str(error)
    return ""


if __name__ == "__main__":
    main()
