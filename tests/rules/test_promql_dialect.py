"""Is what we refuse just what some Prometheus from 2.42 on refuses? Asked of promtool, both ways."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from paymon import programs
from rules.promql import PromqlError, Series, expanded, parse, with_matchers
from tests.versions import PROMETHEUS

REFUSED_BY_2_42 = r"""
    x + fill(0) y
    x + on () fill_left(0) sum(y)
    info(x)
    rate(x[5m+1m])
    rate(x[(5m)])
    rate(x[step()])
    max_over_time(x[1h:5])
    x offset (5m)
    x offset 5m+1m
    first_over_time(x[5m])
    ts_of_max_over_time(x[5m])
    mad_over_time(x[5m])
    sort_by_label(x, "a")
    double_exponential_smoothing(x[5m], 0.5, 0.5)
    limitk(1, x)
    limit_ratio(0.5, x)
    histogram_avg(x)
    {"x"}
    {a="b", "x"}
    {"quoted.name"}
    x{"a"="b"}
    x{a="b", "c"!="d"}
    sum by ("a") (x)
    x * on ("a") y
    x * on (a) group_left ("b") y
    x == 1h
    x > 1m30s
    clamp_min(x, 1h)
    predict_linear(x[1h], 1h)
    rate(x[5m] smoothed)
""".strip().splitlines()

REFUSED_BY_ALL = r"""
    x{a=~"\d+"}
    x and bool y
    x{}}
    {}
    {a=~".*"}
    x{__name__="y"}
    rate(x[5m1h])
    rate(x[0s])
    rate(x)
""".strip().splitlines()

TAKEN_BY_ALL = r"""
    x{a=~`\d+`}
    x{a=`it's "so"`, b='c'}
    label_replace(x, "a", `$1`, 'b', `(.*)\.c`)
    label_join(x, "a", "", "b")
    count_values("a", x)
    histogram_count(x)
    payments:failures:ratio5m > 0
    x > 0x1F
    x > 1.5e-3
    x @ 5
    rate(x[5m] @ end())
    x offset -5m
    x offset 1y
    max_over_time(rate(x[5m])[1h:] offset 5m)
    rate(x{a="]"}[1h30m])
    fill{a="5m"}
    sum(info)
    sum by (by, offset) (x)
    x # 5m, "a" and fill(0)
""".strip().splitlines()


@pytest.fixture(scope="module", params=PROMETHEUS)
def promtool(request: pytest.FixtureRequest) -> tuple[str, Path]:
    return request.param, programs.find("promtool", request.param)


def refused(promtool: Path, expressions: list[str], folder: Path) -> set[str]:
    groups = [
        {"name": f"g{number}", "rules": [{"record": "r", "expr": expr.strip()}]}
        for number, expr in enumerate(expressions)
    ]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    ran = subprocess.run(
        [promtool, "check", "rules", "--lint=none", "rules.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == (0 if "SUCCESS" in ran.stdout else 1), ran.stderr
    return {expressions[int(number)] for number in re.findall(r'group "g(\d+)"', ran.stdout + ran.stderr)}


def test_promtool_refuses_what_is_said_here_that_it_refuses(promtool: tuple[str, Path], tmp_path: Path) -> None:
    version, path = promtool
    assert refused(path, REFUSED_BY_ALL, tmp_path) == set(REFUSED_BY_ALL)
    assert refused(path, TAKEN_BY_ALL, tmp_path) == set()
    if version == "2.42":
        assert refused(path, REFUSED_BY_2_42, tmp_path) == set(REFUSED_BY_2_42)


@pytest.mark.parametrize("expr", [expr.strip() for expr in (*REFUSED_BY_2_42, *REFUSED_BY_ALL)])
def test_what_some_prometheus_refuses_is_refused_here(expr: str) -> None:
    with pytest.raises(PromqlError):
        parse(expr)


@pytest.mark.parametrize("expr", [expr.strip() for expr in TAKEN_BY_ALL])
def test_what_every_prometheus_takes_is_taken_here(expr: str) -> None:
    parse(expr)


def test_a_raw_string_means_what_it_says() -> None:
    assert parse(r'x{a=~`\d"\n`}') == Series("x", (("a", "=~", '\\d"\\n'),), None, None)


@pytest.mark.parametrize("quote", ['"', "'", "`"])
def test_what_stands_in_a_string_is_no_name(quote: str) -> None:
    expr = f"y{{a={quote}x{quote}}}"
    assert with_matchers(expr, lambda name: 'b="c"' if name == "x" else "") == expr
    assert expanded(expr, lambda name: "z" if name == "x" else None) == expr
