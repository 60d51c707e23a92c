"""What does the exporter need around it, and how does all of it run on one machine?

    python -m simulator.surroundings paymon exporter --config examples/exporter.yaml

starts a fake Stripe, a real Postgres with the payments service's tables, and a payments service behind HTTPS; then it
runs the command, with variables that lead the exporter there, until that ends.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import yaml
from psycopg import sql

from rules.payments.webhooks import EVENT_TYPES
from simulator.certificates import self_signed
from simulator.payments_service import PaymentsService, redirect_to_https
from simulator.postgres_server import SCHEMA, installations, running
from simulator.serving import serving
from simulator.stripe import FakeStripe, StripeServer, declined

__all__ = ["Surroundings", "surroundings"]

_KEY = "rk_test_everything"
_ROLE = "paymon_exporter"
_PASSWORD = "read-only"  # noqa: S105 - of a server on the loopback interface that lives as long as a command
_DAY = 86_400
_DEPLOY = Path(__file__).parents[1] / "deploy" / "postgres"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything that the exporter samples, and the variables that lead it there; `dsn` may change the database."""

    stripe: StripeServer
    service: PaymentsService
    dsn: str
    environment: Mapping[str, str]


@contextmanager
def surroundings(folder: Path, clock: Callable[[], float] = time.time) -> Iterator[Surroundings]:
    """Start them, with a little of everything in them; `folder` takes the certificate and the exporter's state.

    Raises RuntimeError where this machine has no Postgres.
    """
    found = installations()
    if not found:
        raise RuntimeError("there is no Postgres here; install the extra `simulator`")
    stripe = StripeServer(FakeStripe(clock))
    service = PaymentsService(now=clock)
    with ExitStack() as stack:
        server = stack.enter_context(running(found[0]))
        server.create("payments")
        for file in (SCHEMA, _DEPLOY / "role.sql", _DEPLOY / "indexes.sql"):
            server.psql("payments", file)
        _fill_database(server.dsn("payments"), clock())
        stripe_port = stack.enter_context(serving(stripe.app))
        certificate = self_signed(folder, clock() - _DAY, clock() + 365 * _DAY)
        https = stack.enter_context(serving(service.application(), certificate=certificate))
        http = stack.enter_context(serving(redirect_to_https(https)))
        webhook_url = f"https://127.0.0.1:{https}/api/webhooks/stripe"
        _fill_stripe(stripe.world, webhook_url)
        plain = stack.enter_context(serving(service.application()))
        host = {"host": "127.0.0.1", "https_port": https, "http_port": http}
        declared = folder / "declared.yaml"
        declared.write_text(_declared(clock()))
        environment = {
            "PAYMON_STRIPE__API_KEY": _KEY,
            "PAYMON_STRIPE__API_URL": f"http://127.0.0.1:{stripe_port}",
            "PAYMON_STRIPE__STATE__PATH": str(folder / "stripe.sqlite3"),
            "PAYMON_POSTGRES__DSN": server.dsn("payments", _ROLE, _PASSWORD),
            "PAYMON_HEALTH__URL": f"http://127.0.0.1:{plain}/health/payments",
            "PAYMON_PROBE__HOSTS": json.dumps([host]),
            "PAYMON_PROBE__WEBHOOK_URL": webhook_url,
            "PAYMON_FLAG__URL": f"http://127.0.0.1:{plain}/v1/flags/{service.flag_name}",
            "PAYMON_FLAG__TOKEN": service.token,
            "PAYMON_DECLARED__FILE": str(declared),
        }
        yield Surroundings(stripe, service, server.dsn("payments"), environment)


def _fill_stripe(world: FakeStripe, webhook_url: str) -> None:
    """A shop with one of each thing that can happen."""
    world.add_endpoint(EVENT_TYPES, api_version="2026-04-22.dahlia", url=webhook_url)
    world.account["capabilities"] = {"card_payments": "active", "transfers": "active"}
    lost = world.pay(at=world.clock() - 3600)
    world.undeliver(lost.events[0])
    paid = [world.pay(2000 + 100 * number) for number in range(20)]
    world.pay(outcome=declined("insufficient_funds"))
    world.refund(paid[0])
    world.dispute(paid[1])
    world.warn(paid[2])
    world.pay_out()


def _fill_database(dsn: str, now: float) -> None:
    moment = datetime.fromtimestamp(now, UTC)
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(_ROLE), sql.Literal(_PASSWORD)))
        for granted in ("(amount, currency) ON payments", "ON SEQUENCE payments_id_seq"):  # what the example opts in to
            cursor.execute(sql.SQL("GRANT SELECT {} TO {}").format(sql.SQL(granted), sql.Identifier(_ROLE)))
        for age, status in ((30, "completed"), (60, "completed"), (90, "pending"), (120, "pending_review")):
            at = moment - timedelta(seconds=age)
            cursor.execute(
                "INSERT INTO payments (order_id, user_id, payment_intent_id, status, amount, currency, created_at, "
                "completed_at) VALUES (%s, %s, %s, %s, 2000, 'usd', %s, %s)",
                (f"order-{age}", age, f"pi_{age}", status, at, None if status == "pending" else at),
            )
            cursor.execute(
                "INSERT INTO payment_attempts (user_id, status, created_at) VALUES (%s, %s, %s)",
                (age, "failed" if age > 100 else "succeeded", at),
            )
        cursor.execute("INSERT INTO schema_migrations VALUES ('1', true), ('2', false)")
        for age, processed in ((40, True), (20, False)):
            at = moment - timedelta(seconds=age)
            cursor.execute(
                "INSERT INTO webhook_events (id, type, created_at, received_at, processed_at) "
                "VALUES (%s, %s, %s, %s, %s)",
                (f"evt_{age}", EVENT_TYPES[0], at, at, at + timedelta(seconds=1) if processed else None),
            )


def _declared(now: float) -> str:
    """What `examples/declared.yaml` declares, said yesterday and good for a year."""
    today = datetime.fromtimestamp(now, UTC).date()
    said = yaml.safe_load((Path(__file__).parents[1] / "examples" / "declared.yaml").read_text())
    for entries in said.values():
        for entry in entries.values():
            entry["at"] = today - timedelta(days=1)
            if "until" in entry:
                entry["until"] = today + timedelta(days=365)
    return yaml.safe_dump(said)


def main(command: list[str]) -> int:
    """Run `command` among the surroundings; gives its exit status. SIGTERM and SIGINT end it first."""
    if not command:
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="paymon-") as folder,
        surroundings(Path(folder)) as around,
        subprocess.Popen(command, env={**os.environ, **around.environment}) as process,
    ):
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, lambda number, _: process.send_signal(number))
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
