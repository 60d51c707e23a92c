"""How are the rule tests written for VictoriaMetrics' own runner, `vmalert-tool unittest`?

It takes promtool's files but for one word: expressions are tested under `metricsql_expr_test`. It is run with
`--disableAlertgroupLabel`, since the label that vmalert adds to each alert is not Prometheus'.
"""

from collections.abc import Mapping

from generators.rule_tests import rule_test_files
from rules.vocabulary import Catalog, Environment

__all__ = ["vmalert_test_files"]


def vmalert_test_files(catalog: Catalog, environment: Environment) -> Mapping[str, str]:
    """The files of `rule_test_files`, by the same names, for vmalert-tool."""
    return {
        name: text.replace("\n  promql_expr_test:\n", "\n  metricsql_expr_test:\n")
        for name, text in rule_test_files(catalog, environment).items()
    }
