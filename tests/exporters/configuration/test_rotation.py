"""Is a secret that is rotated taken up without anybody's help, and what is half written left alone?"""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from psycopg import conninfo, sql
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from exporters.postgres import Database, PostgresSettings
from exporters.probes.flag import FlagSampler
from exporters.probes.settings import FlagSettings
from exporters.sampling.labels import LabelOverflow
from exporters.sampling.model import SampleError
from exporters.stripe import samplers
from exporters.stripe.settings import StripeSettings
from simulator.serving import serving
from simulator.stripe import FakeStripe, StripeServer
from tests.postgres import PaymentsDatabase

WHO = sql.SQL("SELECT current_user::text").format()


def of(path: Path, section: type[Any], name: str, **others: Any) -> Any:
    return section.model_validate({f"{name}_file": str(path), **others})


@pytest.mark.slow
def test_a_dsn_is_taken_up_when_its_file_changes_and_not_while_it_is_being_written(
    payments_database: PaymentsDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "dsn"
    role = f"reader_{payments_database.name}"
    payments_database.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'old'")

    def dsn(password: str) -> str:
        return conninfo.make_conninfo(payments_database.dsn, user=role, password=password)

    async def story() -> None:
        file.write_text(dsn("old"))
        database = Database(of(file, PostgresSettings, "dsn"))

        async def who() -> object:
            return (await database.rows(WHO, {}, where="a test"))[0][0]

        assert await who() == role
        payments_database.execute(f"ALTER ROLE {role} PASSWORD 'new'")
        payments_database.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
        for half in ("", "  \n", "host=127.0.0.1 password='ne"):
            file.write_text(half)
            with pytest.raises(SampleError, match="refused the user or the password"):
                await who()
        file.write_text(dsn("new"))
        assert await who() == role
        file.write_text(payments_database.dsn)
        assert await who() == "postgres", "another DSN is connected to though the connection before is well"
        await database.close()

    asyncio.run(story())
    payments_database.execute(f"DROP ROLE {role}")


def test_a_file_whose_time_of_change_does_not_tell_is_read_again_after_a_refusal(
    payments_database: PaymentsDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "dsn"
    file.write_text(conninfo.make_conninfo(payments_database.dsn, password="postgrez"))
    before = file.stat()
    database = Database(of(file, PostgresSettings, "dsn"))
    with file.open("r+") as same:  # the file itself, to the byte as long as it was
        same.write(conninfo.make_conninfo(payments_database.dsn, password="postgres"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    async def story() -> None:
        assert (await database.rows(WHO, {}, where="a test"))[0][0] == "postgres"
        await database.close()

    asyncio.run(story())


def test_the_flags_token_is_taken_up_when_it_changes(tmp_path: Path) -> None:
    async def flag(request: Request) -> Response:
        known = request.headers["authorization"] == "Bearer new"
        body = {"environments": {"production": {"rollout": {"value": 50}}}, "killed": False}
        return JSONResponse(body if known else {}, 200 if known else 401)

    file = tmp_path / "token"
    file.write_text("old")

    async def story(port: int) -> None:
        sampler = FlagSampler(of(file, FlagSettings, "token", url=f"http://127.0.0.1:{port}/flag"))
        with pytest.raises(SampleError, match="answered 401"):
            await sampler.sample(time.time())
        file.write_text("two words")
        with pytest.raises(SampleError, match="answered 401"):
            await sampler.sample(time.time())
        file.write_text("new")
        assert len((await sampler.sample(time.time())).readings) == 2
        await sampler.close()

    with serving(Starlette(routes=[Route("/flag", flag)])) as port:
        asyncio.run(story(port))


def test_a_refused_key_of_stripes_is_not_waited_for_once_it_is_another(tmp_path: Path) -> None:
    server = StripeServer(FakeStripe(time.time))
    file = tmp_path / "key"
    file.write_text("rk_test_revoked")

    async def story(port: int) -> None:
        settings = of(file, StripeSettings, "api_key", api_url=f"http://127.0.0.1:{port}", state={"backend": "memory"})
        made = samplers(settings, time.time, LabelOverflow()).samplers
        account = made[1]
        with pytest.raises(SampleError):
            await account.sample(time.time())
        assert account.interval.total_seconds() > 600, "a refusal is a quarter of an hour's"
        file.write_text("rk_test_everything")
        assert account.interval.total_seconds() < 600
        assert (await account.sample(time.time())).readings
        for sampler in made:
            await sampler.close()

    with serving(server.app) as port:
        asyncio.run(story(port))


def test_a_secret_that_moves_to_another_file_is_another_configuration_though_the_text_is_the_same(
    tmp_path: Path,
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for file in (old, new):
        file.write_text("rk_test_one")
    first, moved = (of(file, StripeSettings, "api_key") for file in (old, new))
    given = StripeSettings.model_validate({"api_key": "rk_test_one"})
    assert len({first, moved, given}) == 3
    assert first != moved
    assert first != given
    assert first == of(old, StripeSettings, "api_key")


def test_a_secret_that_is_rotated_in_its_file_is_the_same_configuration_once_it_is_taken_up(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("rk_test_one")
    in_use = of(file, StripeSettings, "api_key")
    before = hash(in_use)
    file.write_text("rk_test_another")
    assert in_use == of(file, StripeSettings, "api_key")
    assert hash(in_use) == before


def test_a_pipe_in_place_of_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValidationError, match="is no regular file"):
        of(tmp_path / "pipe", PostgresSettings, "dsn")
    with pytest.raises(ValidationError, match="holds no certificates"):
        FlagSettings.model_validate(
            {"url": "https://127.0.0.1/", "token": "x", "ca_file": str(tmp_path / "pipe")},
        )
