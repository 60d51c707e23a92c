"""How does the world of payments run: a shop's story behind real servers?

A fake Stripe and a payments service over HTTP, a real Postgres with the service's tables, and a clock that moves when
`advance` says so. The exporter is led there by `environment`, as a deployment would lead it.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from rules.payments import governance
from simulator.certificates import self_signed
from simulator.conditions import Conditions, Database, StripeApi
from simulator.payments_service import PaymentsService, redirect_to_https
from simulator.postgres_server import SCHEMA, PostgresServer
from simulator.records import write
from simulator.serving import serving
from simulator.shop import Shop
from simulator.stripe import Fault, Faults, StripeServer, invalid_key, rate_limited, server_error

__all__ = ["World", "opened", "prepare"]

_DEPLOY = Path(__file__).parents[1] / "deploy" / "postgres"
_ROLE = "paymon_exporter"
_PASSWORD = "read-only"  # noqa: S105 - of a server on the loopback interface that lives as long as a demo
_KEY = "rk_test_everything"
_LIFETIME = 90 * 86400.0
"""Seconds for which the service's certificate is valid."""

_SLOW = """
CREATE FUNCTION slowly() RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT pg_sleep(0.5) IS NOT NULL';
ALTER TABLE payments ENABLE ROW LEVEL SECURITY;
CREATE POLICY slow ON payments FOR SELECT USING (slowly());
"""
"""A policy that hides nothing and takes its time; the exporter is to be told `role_sees_all_rows`."""
_FAST = "DROP POLICY slow ON payments; ALTER TABLE payments DISABLE ROW LEVEL SECURITY; DROP FUNCTION slowly();"


class _StandingFaults(Faults):
    """Faults that last until they are taken away, besides those that wait for one request each."""

    def __init__(self) -> None:
        super().__init__()
        self.standing: dict[str, Fault] = {}

    def take(self, endpoint: str) -> Fault | None:
        """The fault for a request, None where it may succeed."""
        return self.standing.get(endpoint) or self.standing.get("*") or super().take(endpoint)


_FAULTS: Mapping[StripeApi, dict[str, Fault]] = {
    StripeApi.UP: {},
    StripeApi.DOWN: {"*": server_error()},
    StripeApi.READS_FAIL: {"events": server_error()},
    StripeApi.RATE_LIMITED: {"*": rate_limited("endpoint-rate")},
    StripeApi.KEY_REVOKED: {"*": invalid_key("rk_test_************ing")},
}


@dataclass(frozen=True, slots=True)
class Place:
    """The database in which a shop's payments are kept, and the server whose copy of it is sampled."""

    server: PostgresServer
    database: str
    replica: PostgresServer | None = None


class World:
    """A shop, its servers and its database."""

    def __init__(
        self,
        shop: Shop,
        stripe: StripeServer,
        faults: _StandingFaults,
        service: PaymentsService,
        place: Place,
        environment: Mapping[str, str],
    ) -> None:
        self.shop = shop
        self.stripe = stripe
        self.service = service
        self.environment = environment
        self._faults = faults
        self._place = place
        self._connection = _connected(place)
        self._lock: psycopg.Connection[Any] | None = None
        self._database = Database.UP

    @property
    def now(self) -> float:
        """The world's time, in seconds since 1970."""
        return self.shop.clock.now

    @property
    def conditions(self) -> Conditions:
        """How things are."""
        return self.shop.conditions

    def advance(self, to: float) -> None:
        """Let everything happen up to that moment (seconds since 1970)."""
        before = self.now
        self.shop.advance(to)
        self.shop.pulse(self.now - before)
        if self._database not in (Database.DOWN, Database.LOCKED):
            write(self._connection, self.shop.records)
        self._report()

    def meet(self, conditions: Conditions) -> None:
        """From now on, things are like this."""
        self.shop.meet(conditions)
        self._faults.standing = _FAULTS[conditions.stripe_api]
        self._meet_database(conditions.database)
        service = self.service
        service.killed = conditions.killed
        service.rollout["production"] = conditions.rollout
        service.flag = None if conditions.flag_api else Response(status_code=500)
        service.frozen_at = (service.frozen_at or self.now) if conditions.health_cached else None
        self._report()

    def close(self) -> None:
        """Let go of the database."""
        if self._lock:
            self._lock.close()
        self._connection.close()

    def _report(self) -> None:
        """What the service says of its health."""
        service, conditions = self.service, self.conditions
        if conditions.health_cached:
            return
        database = conditions.database not in (Database.DOWN, Database.LOCKED)
        stripe = conditions.stripe_api is not StripeApi.DOWN
        service.checks["database"] = "connected" if database else "unreachable"
        service.checks["stripe_api"] = "connected" if stripe else "unreachable"
        service.checks["feature_flag"] = "disabled" if conditions.killed or conditions.rollout == 0 else "enabled"
        service.status = "healthy" if database and stripe else "unhealthy"
        service.transactions_per_minute = self.shop.attempts_per_minute
        service.success_rate = self.shop.success_ratio
        service.response_time_ms = 1000 * conditions.api_seconds / 3

    def _meet_database(self, wanted: Database) -> None:
        if wanted is self._database:
            return
        self._mend_database()
        match wanted:
            case Database.DOWN:
                self._connection.close()
                _allow_connections(self._place, allowed=False)
            case Database.LOCKED:
                self._lock = _connected(self._place)
                self._lock.execute("BEGIN")
                self._lock.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
            case Database.SLOW:
                self._connection.execute(_SLOW)
            case Database.REPLICA_STOPPED if self._place.replica:
                with psycopg.connect(self._place.replica.dsn(), autocommit=True) as replica:
                    replica.execute("SELECT pg_wal_replay_pause()")
        self._database = wanted

    def _mend_database(self) -> None:
        match self._database:
            case Database.DOWN:
                _allow_connections(self._place, allowed=True)
                self._connection = _connected(self._place)
            case Database.LOCKED if self._lock:
                self._lock.close()
                self._lock = None
            case Database.SLOW:
                self._connection.execute(_FAST)
            case Database.REPLICA_STOPPED if self._place.replica:
                with psycopg.connect(self._place.replica.dsn(), autocommit=True) as replica:
                    replica.execute("SELECT pg_wal_replay_resume()")


def prepare(server: PostgresServer, database: str) -> None:
    """A database with the payments service's tables, the exporter's role and the indexes that sampling needs."""
    server.create(database)
    for file in (SCHEMA, _DEPLOY / "role.sql", _DEPLOY / "indexes.sql"):
        server.psql(database, file)
    with psycopg.connect(server.dsn(database), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(_ROLE), sql.Literal(_PASSWORD)))
        connection.execute("INSERT INTO schema_migrations VALUES ('2027010101', true), ('2027020101', true)")


@contextmanager
def opened(
    shop: Shop,
    server: PostgresServer,
    database: str,
    folder: Path,
    *,
    replica: PostgresServer | None = None,
) -> Iterator[World]:
    """The world of that shop, as things are there, with its servers on free ports of the loopback interface.

    `database` was made by `prepare`, or is a copy of such a one; `folder` takes the certificate, the declared file and
    the exporter's state. With a `replica`, the exporter is led to that one's copy of the database.
    """
    conditions = shop.conditions
    stripe = StripeServer(shop.stripe)
    stripe.faults = faults = _StandingFaults()
    service = PaymentsService(now=lambda: shop.clock.now + shop.conditions.service_clock_ahead)
    declared = folder / "declared.yaml"
    declared.write_text(_declared(shop.clock.now))
    with ExitStack() as stack:
        begins = shop.clock.now - (1 - conditions.certificate_left) * _LIFETIME
        certificate = self_signed(folder, begins, begins + _LIFETIME)
        stripe_port = stack.enter_context(serving(stripe.app))
        https = stack.enter_context(serving(_application(shop, service), certificate=certificate))
        http = stack.enter_context(serving(redirect_to_https(https)))
        plain = stack.enter_context(serving(_application(shop, service)))
        webhook_url = f"https://127.0.0.1:{https}/api/webhooks/stripe"
        shop.stripe.webhook_endpoints = [{**one, "url": webhook_url} for one in shop.stripe.webhook_endpoints]
        sampled = replica or server
        world = World(
            shop,
            stripe,
            faults,
            service,
            Place(server, database, replica),
            {
                "PAYMON_STRIPE__API_KEY": _KEY,
                "PAYMON_STRIPE__API_URL": f"http://127.0.0.1:{stripe_port}",
                "PAYMON_STRIPE__STATE__PATH": str(folder / "stripe.sqlite3"),
                "PAYMON_POSTGRES__DSN": sampled.dsn(database, _ROLE, _PASSWORD),
                "PAYMON_HEALTH__URL": f"http://127.0.0.1:{plain}/health/payments",
                "PAYMON_PROBE__HOSTS": json.dumps([{"host": "127.0.0.1", "https_port": https, "http_port": http}]),
                "PAYMON_PROBE__WEBHOOK_URL": webhook_url,
                "PAYMON_FLAG__URL": f"http://127.0.0.1:{plain}/v1/flags/{service.flag_name}",
                "PAYMON_FLAG__TOKEN": service.token,
                "PAYMON_DECLARED__FILE": str(declared),
            },
        )
        try:
            world.meet(conditions)
            yield world
        finally:
            world.close()


def _application(shop: Shop, service: PaymentsService) -> Starlette:
    """The service with its own /metrics."""

    async def metrics(_: Request) -> Response:
        return PlainTextResponse(shop.measurements.page(), media_type="text/plain; version=0.0.4")

    return Starlette(routes=[Route("/metrics", metrics), Mount("/", service.application())])


def _declared(now: float) -> str:
    """Everything that people declare, said three days before and good for half a year."""
    today = datetime.fromtimestamp(now, UTC).date()
    at, until = today - timedelta(days=3), today + timedelta(days=180)
    held = {"by": "Payments Team", "at": at, "until": until}
    happened = {"by": "Payments Team", "at": at}
    # The backup job of the simulation never sleeps.
    latest = {"by": "backup job", "at": today + timedelta(days=1)}
    return yaml.safe_dump(
        {
            "attestations": dict.fromkeys(governance.ATTESTATION.values, held),
            "rotations": dict.fromkeys(governance.SECRET.values, happened),
            "backups": {"last_success": latest, "last_restore_test": happened},
            "operations": {
                "rollout": {**held, "percent": 100},
                "backup_processor": {**held, "value": False},
                "maintenance": {**held, "value": False},
            },
            "runbook": {"review": happened},
        },
        sort_keys=False,
    )


def _connected(place: Place) -> psycopg.Connection[Any]:
    return psycopg.connect(place.server.dsn(place.database), autocommit=True)


def _allow_connections(place: Place, *, allowed: bool) -> None:
    with psycopg.connect(place.server.dsn(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(
                sql.Identifier(place.database), sql.SQL("true" if allowed else "false")
            )
        )
        if not allowed:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (place.database,)
            )
